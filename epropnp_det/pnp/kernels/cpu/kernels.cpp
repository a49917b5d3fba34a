// What Python calls (library.py): every function for objects in parallel, in float and in double, for both pose spaces.
//
// Plain C functions without torch's headers: this compiles in seconds and one build fits every torch. The threads are those of
// OpenMP, whose library torch has loaded before: the two share one pool.
#include <cstdint>
#include <limits>

#include "cost.hpp"

namespace epropnp {

template <class Function>
void for_each_object(int64_t objects, int threads, Function function) {
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads) if (threads > 1 && objects > 1)
    for (int64_t index = 0; index < objects; ++index) function(index);
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

}  // namespace epropnp

using namespace epropnp;

#define EXPORT(T, SUFFIX)                                                                                               \
    void cost_##SUFFIX(const Objects<T>* all, const T* pose, int64_t dim, int64_t samples, T* out, int threads) {       \
        cost(*all, pose, dim, samples, out, threads);                                                                   \
    }                                                                                                                   \
    void cost_gradient_##SUFFIX(const Objects<T>* all, const T* pose, int64_t dim, int64_t samples, const T* weight,    \
                                T* x3d, T* x2d, T* w2d, T* delta, int threads) {                                        \
        cost_gradient(*all, pose, dim, samples, weight, {x3d, x2d, w2d, delta}, threads);                               \
    }

extern "C" {
EXPORT(float, float32)
EXPORT(double, float64)
}
