// The functions that library.py calls: each runs over objects in parallel, in float and in double, for both pose spaces.
//
// Plain C functions without torch's headers: this compiles in seconds and one build fits every torch. The threads are those of
// the OpenMP library that torch has loaded, so both share one pool.
#include <cstdint>

#include "check.hpp"
#include "estimate.hpp"
#include "newton.hpp"
#include "sampler.hpp"

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
            for (int64_t where = index; where < samples * all.objects; where += all.objects) {
                T p[12];
                object.projection(object.template place<Space>(pose + Space::dim * where), p);
                out[where] = cost(object, p);
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

// Linearizations of poses (S, B, D), or derivatives in them: cost (S, B), gradient (S, B, T), hessian (S, B, T, T).
template <class T>
struct Linearizations {
    T *cost, *gradient, *hessian;
};

template <class T>
void linearize(const Objects<T>& all, const T* pose, int64_t dim, int64_t samples, int64_t zero_clipped, const Linearizations<T>& out,
               int threads) {
    in_space(dim, [&](auto space) {
        using Space = decltype(space);
        constexpr int D = Space::dof;
        for_each_object(all.objects, threads, [&](int64_t index) {
            const Object<T> object(all, index);
            for (int64_t where = index; where < samples * all.objects; where += all.objects) {
                const auto at = normal_equations<Space>(object, object.template place<Space>(pose + Space::dim * where), zero_clipped);
                out.cost[where] = T(at.cost);
                for (int i = 0; i < D; ++i) {
                    out.gradient[where * D + i] = T(at.gradient[i]);
                    for (int j = 0; j < D; ++j) out.hessian[(where * D + i) * D + j] = T(at.hessian[i][j]);
                }
            }
        });
    });
}

// Derivatives of a scalar whose derivatives in the linearization are `by` (those in the Hessian need not be symmetric).
template <class T>
void linearize_gradient(const Objects<T>& all, const T* pose, int64_t dim, int64_t samples, int64_t zero_clipped,
                        const Linearizations<const T>& by, const Gradients<T>& out, int threads) {
    in_space(dim, [&](auto space) {
        using Space = decltype(space);
        constexpr int D = Space::dof;
        for_each_object(all.objects, threads, [&](int64_t index) {
            const Object<T> object(all, index);
            ObjectGradient<T> total(all.points);
            for (int64_t where = index; where < samples * all.objects; where += all.objects) {
                ByNormal<double, D> one;
                one.cost = by.cost[where];
                for (int i = 0; i < D; ++i) {
                    one.gradient[i] = by.gradient[where * D + i];
                    for (int j = 0; j < D; ++j)
                        one.hessian[i][j] = (double(by.hessian[(where * D + i) * D + j]) + by.hessian[(where * D + j) * D + i]) / 2;
                }
                add_normal_gradient<Space>(object, object.template place<Space>(pose + Space::dim * where), zero_clipped, one, total);
            }
            total.write(all.points, index, out);
        });
    });
}

// The tangents (S, B, T) of Gauss-Newton steps; zero where the points determine no pose.
template <class T>
void newton_step(const Objects<T>& all, const T* pose, int64_t dim, int64_t samples, double damping, T* step, int threads) {
    in_space(dim, [&](auto space) {
        using Space = decltype(space);
        for_each_object(all.objects, threads, [&](int64_t index) {
            const Object<T> object(all, index);
            const bool determined = determines(object, Space::spanned_dims);
            for (int64_t where = index; where < samples * all.objects; where += all.objects) {
                T* to = step + where * Space::dof;
                if (determined) newton_step<Space>(object, pose + where * Space::dim, damping, to);
                else std::fill_n(to, Space::dof, T(0));
            }
        });
    });
}

template <class T>
void newton_gradient(const Objects<T>& all, const T* pose, int64_t dim, int64_t samples, double damping, const T* by_step,
                     const Gradients<T>& out, int threads) {
    in_space(dim, [&](auto space) {
        using Space = decltype(space);
        for_each_object(all.objects, threads, [&](int64_t index) {
            const Object<T> object(all, index);
            ObjectGradient<T> total(all.points);
            const int64_t end = determines(object, Space::spanned_dims) ? samples * all.objects : 0;
            for (int64_t where = index; where < end; where += all.objects)
                add_newton_gradient<Space>(object, pose + where * Space::dim, damping, by_step + where * Space::dof, total);
            total.write(all.points, index, out);
        });
    });
}

template <class T>
void estimate(const Objects<T>& all, const uint64_t* key, int64_t dim, const Plan& plan, Drawn<T> drawn, const T* start,
              const Found<T>& to, int threads) {
    in_space(dim, [&](auto space) {
        for_each_object(all.objects, threads, [&](int64_t index) {
            const T* mine = start ? start + index * decltype(space)::dim : nullptr;
            estimate<decltype(space)>(Object<T>(all, index), *key, index, all.objects, plan, drawn, mine, to);
        });
    });
}

// The points (P, B, K) that the proposals of a random start consist of.
template <class T>
void draw_points(const Objects<T>& all, const uint64_t* key, int64_t proposals, int64_t number, int64_t* points, int threads) {
    for_each_object(all.objects, threads, [&](int64_t index) {
        PointDraw<T> draw{Object<T>(all, index)};
        for (int64_t proposal = 0; proposal < proposals; ++proposal) {
            Random<double> random(*key, index, proposal);
            draw.draw(random, number, points + (proposal * all.objects + index) * number);
        }
    });
}

template <class T>
void sample(const Objects<T>& all, const uint64_t* key, int64_t dim, const Begin<T>& begin, const Samples<T>& to, int threads) {
    in_space(dim, [&](auto space) {
        for_each_object(all.objects, threads, [&](int64_t index) {
            sample<decltype(space)>(Object<T>(all, index), *key, index, all.objects, begin, to);
        });
    });
}

template <class T>
void threshold(const ImagePoints<T>& all, int64_t objects, double factor, T* out, int threads) {
    for_each_object(objects, threads, [&](int64_t index) {
        const Extent extent(all, index);
        out[index] = T(factor * extent.weight * extent.spread<T>());
    });
}

template <class T>
void threshold_gradient(const ImagePoints<T>& all, int64_t objects, double factor, const T* by_threshold, T* x2d, T* w2d, int threads) {
    for_each_object(objects, threads,
                    [&](int64_t index) { threshold_gradient(all, index, factor, double(by_threshold[index]), x2d, w2d); });
}

// Fused multiply-adds of registers, to measure the peak rate of a core; returns the number of operations.
inline double fused_multiply_adds(int64_t rounds) {
    constexpr int CHAINS = 12;  // enough for the latency of each to hide behind the others
    Pack<float> chain[CHAINS], total = {};
    // All different, or the compiler would compute one for all.
    for (int i = 0; i < CHAINS; ++i) chain[i] = everywhere(float(i));
    const Pack<float> factor = everywhere(0.5f + rounds * 1e-12f), term = everywhere(1.0f + rounds * 1e-12f);
    for (int64_t round = 0; round < rounds; ++round)
        for (auto& one : chain) one = one * factor + term;
    for (const auto& one : chain) total += one;
    // The condition never holds, but the compiler cannot prove that, so it keeps the loop.
    return sum<float>(total) < 0 ? 0 : 2.0 * WIDTH<float> * CHAINS * rounds;
}

}  // namespace epropnp

using namespace epropnp;

// The exported functions: `all` is the input, the last arguments are the output.
#define EXPORT(T, SUFFIX)                                                                                               \
    int within_##SUFFIX(const T* values, int64_t number, double low, double high) {                                     \
        return within(values, number, T(low), T(high));                                                                 \
    }                                                                                                                   \
    int sound_##SUFFIX(const Objects<T>* all) { return usable(*all); }                                                  \
    void threshold_##SUFFIX(const T* x2d, const T* w2d, const bool* mask, int64_t objects, int64_t points,              \
                            double factor, T* out, int threads) {                                                       \
        threshold<T>({x2d, w2d, mask, points}, objects, factor, out, threads);                                          \
    }                                                                                                                   \
    void threshold_gradient_##SUFFIX(const T* x2d, const T* w2d, const bool* mask, int64_t objects, int64_t points,     \
                                     double factor, const T* by_threshold, T* by_x2d, T* by_w2d, int threads) {         \
        threshold_gradient<T>({x2d, w2d, mask, points}, objects, factor, by_threshold, by_x2d, by_w2d, threads);        \
    }                                                                                                                   \
    void cost_##SUFFIX(const Objects<T>* all, const T* pose, int64_t dim, int64_t samples, T* out, int threads) {       \
        cost(*all, pose, dim, samples, out, threads);                                                                   \
    }                                                                                                                   \
    void cost_gradient_##SUFFIX(const Objects<T>* all, const T* pose, int64_t dim, int64_t samples, const T* weight,    \
                                T* x3d, T* x2d, T* w2d, T* delta, int threads) {                                        \
        cost_gradient(*all, pose, dim, samples, weight, {x3d, x2d, w2d, delta}, threads);                               \
    }                                                                                                                   \
    void linearize_##SUFFIX(const Objects<T>* all, const T* pose, int64_t dim, int64_t samples, int64_t zero_clipped,   \
                            T* cost, T* gradient, T* hessian, int threads) {                                            \
        linearize<T>(*all, pose, dim, samples, zero_clipped, {cost, gradient, hessian}, threads);                       \
    }                                                                                                                   \
    void linearize_gradient_##SUFFIX(const Objects<T>* all, const T* pose, int64_t dim, int64_t samples,                \
                                     int64_t zero_clipped, const T* cost, const T* gradient, const T* hessian,          \
                                     T* x3d, T* x2d, T* w2d, T* delta, int threads) {                                   \
        linearize_gradient<T>(*all, pose, dim, samples, zero_clipped, {cost, gradient, hessian}, {x3d, x2d, w2d, delta}, threads); \
    }                                                                                                                   \
    void newton_step_##SUFFIX(const Objects<T>* all, const T* pose, int64_t dim, int64_t samples, double damping,       \
                              T* step, int threads) {                                                                   \
        newton_step(*all, pose, dim, samples, damping, step, threads);                                                  \
    }                                                                                                                   \
    void newton_gradient_##SUFFIX(const Objects<T>* all, const T* pose, int64_t dim, int64_t samples, double damping,   \
                                  const T* by_step, T* x3d, T* x2d, T* w2d, T* delta, int threads) {                    \
        newton_gradient(*all, pose, dim, samples, damping, by_step, {x3d, x2d, w2d, delta}, threads);                   \
    }                                                                                                                   \
    void estimate_##SUFFIX(const Objects<T>* all, const uint64_t* key, int64_t dim, const Plan* plan,                   \
                           const int64_t* points, const T* rotations, const T* start, T* pose, T* cost, T* hessian,     \
                           bool* valid, int threads) {                                                                  \
        estimate<T>(*all, key, dim, *plan, {points, rotations}, start, {pose, cost, hessian, valid}, threads);          \
    }                                                                                                                   \
    void draw_points_##SUFFIX(const Objects<T>* all, const uint64_t* key, int64_t proposals, int64_t number,            \
                              int64_t* points, int threads) {                                                           \
        draw_points(*all, key, proposals, number, points, threads);                                                     \
    }                                                                                                                   \
    void sample_##SUFFIX(const Objects<T>* all, const uint64_t* key, int64_t dim, const T* begin, const bool* good,     \
                         double uniform, const double* given, int64_t number, int64_t rounds, T* pose, T* log_weight,   \
                         bool* valid, int threads) {                                                                    \
        sample<T>(*all, key, dim, {begin, good, uniform}, {given, number, rounds, pose, log_weight, valid}, threads);   \
    }

extern "C" {
EXPORT(float, float32)
EXPORT(double, float64)
double fused_multiply_adds(int64_t rounds) { return epropnp::fused_multiply_adds(rounds); }
int size_of_objects() { return sizeof(epropnp::Objects<float>); }
int size_of_plan() { return sizeof(epropnp::Plan); }
}
