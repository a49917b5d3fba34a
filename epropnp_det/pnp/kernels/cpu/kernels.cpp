// What Python calls (library.py): every function for objects in parallel, in float and in double, for both pose spaces.
//
// Plain C functions without torch's headers: this compiles in seconds and one build fits every torch. The threads are those of
// OpenMP, whose library torch has loaded before: the two share one pool.
#include <cstdint>

#include "cost.hpp"
#include "sampler.hpp"
#include "solver.hpp"
#include "start.hpp"

namespace epropnp {

template <class Function>
void for_each_object(int64_t objects, int threads, Function function) {
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads) if (threads > 1 && objects > 1)
    for (int64_t index = 0; index < objects; ++index) {
        [[maybe_unused]] const NoSubnormals here;
        function(index);
    }
}

// The pose space of poses of `dim` numbers.
template <class Function>
void in_space(int64_t dim, Function function) {
    if (dim == Yaw::dim) function(Yaw());
    if (dim == Rigid::dim) function(Rigid());
}

template <class T>
void cost(const Objects<T>& all, const T* pose, int64_t dim, int64_t samples, T* out, int threads) {
    in_space(dim, [&](auto space) {
        using Space = decltype(space);
        for_each_object(all.objects, threads, [&](int64_t index) {
            const Object<T> object(all, index);
            for (int64_t s = 0; s < samples; ++s) {
                T p[12];
                object.template projection<Space>(pose + Space::dim * (s * all.objects + index), p);
                out[s * all.objects + index] = cost(object, p);
            }
        });
    });
}

template <class T>
void cost_gradient(const Objects<T>& all, const T* pose, int64_t dim, int64_t samples, const T* weight, const Gradients<T>& out,
                   int threads) {
    in_space(dim, [&](auto space) {
        for_each_object(all.objects, threads, [&](int64_t index) {
            const Object<T> object(all, index);
            std::vector<T> projections, weights;
            const int64_t number =
                weighted_projections<T, decltype(space)>(object, pose, weight, samples, all.objects, index, projections, weights);
            cost_gradient(object, projections.data(), weights.data(), number, index, out);
        });
    });
}

// Where linearizations go: cost (S, B), gradient (S, B, T), hessian (S, B, T, T).
template <class T, int D>
void write(const Normal<Pack<T>, D>& at, int64_t where, T* cost, T* gradient, T* hessian) {
    cost[where] = at.cost[0];
    for (int i = 0; i < D; ++i) {
        gradient[where * D + i] = at.gradient[i][0];
        for (int j = 0; j < D; ++j) hessian[(where * D + i) * D + j] = at.hessian[std::max(i, j)][std::min(i, j)][0];
    }
}

template <class T>
void linearize(const Objects<T>& all, const T* pose, int64_t dim, int64_t samples, int64_t zero_clipped, T* cost, T* gradient, T* hessian,
               int threads) {
    in_space(dim, [&](auto space) {
        using Space = decltype(space);
        for_each_object(all.objects, threads, [&](int64_t index) {
            const Object<T> object(all, index);
            for (int64_t where = index; where < samples * all.objects; where += all.objects) {
                Pack<T> at[Space::dim];
                for (int i = 0; i < Space::dim; ++i) at[i] = everywhere(pose[where * Space::dim + i]);
                write(normal_equations<Space>(object, at, zero_clipped), where, cost, gradient, hessian);
            }
        });
    });
}

// From starts (S, B, D) to where the solver ends, in place.
template <class T>
void solve(const Objects<T>& all, T* pose, int64_t dim, int64_t samples, int64_t iterations, int64_t plain_gauss_newton, int threads) {
    in_space(dim, [&](auto space) {
        using Space = decltype(space);
        for_each_object(all.objects, threads, [&](int64_t index) {
            const Object<T> object(all, index);
            for (int64_t where = index; where < samples * all.objects; where += all.objects) {
                Pack<T> at[Space::dim];
                for (int i = 0; i < Space::dim; ++i) at[i] = everywhere(pose[where * Space::dim + i]);
                iterate<Space, T>(at, iterations, plain_gauss_newton, [&](const Pack<T>* pose, bool zero_clipped) {
                    return normal_equations<Space>(object, pose, zero_clipped);
                });
                for (int i = 0; i < Space::dim; ++i) pose[where * Space::dim + i] = at[i][0];
            }
        });
    });
}

template <class T>
void random_start(const Objects<T>& all, const uint64_t* key, int64_t dim, const StartSettings& settings, Drawn<T> drawn, T* pose,
                  int threads) {
    in_space(dim, [&](auto space) {
        using Space = decltype(space);
        for_each_object(all.objects, threads, [&](int64_t index) {
            random_start<Space>(Object<T>(all, index), *key, index, all.objects, settings, drawn, pose + index * Space::dim);
        });
    });
}

// The points (P, B, K) that the proposals of a random start consist of.
template <class T>
void draw_points(const Objects<T>& all, const uint64_t* key, int64_t proposals, int64_t number, int64_t* points, int threads) {
    for_each_object(all.objects, threads, [&](int64_t index) {
        PointDraw<T> draw{Object<T>(all, index)};
        for (int64_t proposal = 0; proposal < proposals; ++proposal) {
            Random random(*key, index, proposal);
            draw.draw(random, number, points + (proposal * all.objects + index) * number);
        }
    });
}

template <class T>
void sample(const Objects<T>& all, const uint64_t* key, int64_t dim, const First<T>& first, const Samples<T>& to, int threads) {
    in_space(dim, [&](auto space) {
        for_each_object(all.objects, threads, [&](int64_t index) {
            sample<decltype(space)>(Object<T>(all, index), *key, index, all.objects, first, to);
        });
    });
}

// Fused multiply-adds of registers, to know what the core can do; returns how many operations they were.
inline double fused_multiply_adds(int64_t rounds) {
    constexpr int CHAINS = 12;  // enough for the latency of each to hide behind the others
    Pack<float> chain[CHAINS] = {}, total = {};
    const Pack<float> factor = everywhere(0.5f + rounds * 1e-12f), term = everywhere(1.0f + rounds * 1e-12f);
    for (int64_t round = 0; round < rounds; ++round)
        for (auto& one : chain) one = one * factor + term;
    for (const auto& one : chain) total += one;
    // The condition never holds, which the compiler cannot know.
    return sum<float>(total) < 0 ? 0 : 2.0 * WIDTH<float> * CHAINS * rounds;
}

}  // namespace epropnp

using namespace epropnp;

#define EXPORT(T, SUFFIX)                                                                                               \
    void cost_##SUFFIX(const Objects<T>* all, const T* pose, int64_t dim, int64_t samples, T* out, int threads) {       \
        cost(*all, pose, dim, samples, out, threads);                                                                   \
    }                                                                                                                   \
    void cost_gradient_##SUFFIX(const Objects<T>* all, const T* pose, int64_t dim, int64_t samples, const T* weight,    \
                                T* x3d, T* x2d, T* w2d, T* delta, int threads) {                                        \
        cost_gradient(*all, pose, dim, samples, weight, {x3d, x2d, w2d, delta}, threads);                               \
    }                                                                                                                   \
    void linearize_##SUFFIX(const Objects<T>* all, const T* pose, int64_t dim, int64_t samples, int64_t zero_clipped,   \
                            T* cost, T* gradient, T* hessian, int threads) {                                            \
        linearize(*all, pose, dim, samples, zero_clipped, cost, gradient, hessian, threads);                            \
    }                                                                                                                   \
    void solve_##SUFFIX(const Objects<T>* all, T* pose, int64_t dim, int64_t samples, int64_t iterations,               \
                        int64_t plain_gauss_newton, int threads) {                                                      \
        solve(*all, pose, dim, samples, iterations, plain_gauss_newton, threads);                                       \
    }                                                                                                                   \
    void random_start_##SUFFIX(const Objects<T>* all, const uint64_t* key, int64_t dim, const StartSettings* settings,  \
                               const int64_t* points, const T* rotations, T* pose, int threads) {                       \
        random_start<T>(*all, key, dim, *settings, {points, rotations}, pose, threads);                                 \
    }                                                                                                                   \
    void draw_points_##SUFFIX(const Objects<T>* all, const uint64_t* key, int64_t proposals, int64_t number,            \
                              int64_t* points, int threads) {                                                           \
        draw_points(*all, key, proposals, number, points, threads);                                                     \
    }                                                                                                                   \
    void sample_##SUFFIX(const Objects<T>* all, const uint64_t* key, int64_t dim, const First<T>* first,                \
                         const double* given, int64_t number, int64_t rounds, T* pose, T* log_weight, bool* finite,     \
                         int threads) {                                                                                 \
        sample(*all, key, dim, *first, {given, number, rounds, pose, log_weight, finite}, threads);                     \
    }

extern "C" {
EXPORT(float, float32)
EXPORT(double, float64)
double fused_multiply_adds(int64_t rounds) { return epropnp::fused_multiply_adds(rounds); }
}
