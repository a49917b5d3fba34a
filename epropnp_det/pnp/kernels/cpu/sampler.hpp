// Adaptive multiple importance sampling, Alg. 1, as in sampler.amis.
#pragma once

#include <limits>

#include "cost.hpp"
#include "proposals.hpp"

namespace epropnp {

template <class Space>
struct OrientationOf;
template <>
struct OrientationOf<Yaw> {
    using type = VonMises;
    // How many random numbers are given for a sample: three normals, a chi squared, and those of the orientation.
    static constexpr int given = 4 + 3 + 2 * ATTEMPTS;
};
template <>
struct OrientationOf<Rigid> {
    using type = AngularCentralGaussian;
    static constexpr int given = 4 + 4;
};

// The first proposals of all objects: Student-t (B, 3), (B, 3, 3), and two parameters of the orientations: (B) and (B), or
// (B, 4, 4) and (B, 4, 4). `First` of library.py.
template <class T>
struct First {
    const T *mean, *factor, *orientation, *width;
    double uniform;
};

template <class Space>
struct Proposal {
    StudentT translation;
    typename OrientationOf<Space>::type orientation;

    template <class T>
    Proposal(const First<T>& first, int64_t index) {
        for (int i = 0; i < 3; ++i) translation.mean[i] = first.mean[3 * index + i];
        translation.factor.read(first.factor + 9 * index);
        orientation.read(index, first.orientation, first.width, first.uniform);
    }
    void draw(Random& random, double* pose) const {
        translation.draw(random, pose);
        orientation.draw(random, pose + 3);
    }
    double density(const double* pose) const { return translation.density(pose) * orientation.density(pose + 3); }
    // Fitted to samples, or this one where that breaks.
    Proposal refit(const Weighted& samples) const {
        Proposal next = *this;
        const bool fine = next.translation.fit(samples), also_fine = next.orientation.fit(samples);
        return fine && also_fine ? next : *this;
    }
};

// Normalised weights of log weights; returns the log of their sum.
inline double softmax(const double* log_weight, int64_t number, double* weight) {
    const double highest = *std::max_element(log_weight, log_weight + number);
    double total = 0;
    for (int64_t s = 0; s < number; ++s) total += weight[s] = std::exp(log_weight[s] - highest);
    for (int64_t s = 0; s < number; ++s) weight[s] /= total;
    return highest + std::log(total);
}

// Where samples go, and random numbers that are given (B, S, `OrientationOf::given`) or not.
template <class T>
struct Samples {
    const double* given;
    int64_t number, rounds;
    T *pose, *log_weight;  // (S, B, D), (S, B)
    bool* finite;          // (B)
};

template <class Space, class T>
void sample(const Object<T>& object, uint64_t key, int64_t index, int64_t objects, const First<T>& first, const Samples<T>& to) {
    constexpr int D = Space::dim, GIVEN = OrientationOf<Space>::given;
    std::vector<Proposal<Space>> proposals{{first, index}};
    std::vector<double> pose(D * to.number), cost_at(to.number), density(to.number, 0), log_weight(to.number), weight(to.number);
    const int64_t each = to.number / to.rounds;
    for (int64_t done = each;; done += each) {
        for (int64_t s = done - each; s < done; ++s) {
            Random random = to.given ? Random(to.given + (index * to.number + s) * GIVEN) : Random(key, index, s);
            T *rounded = to.pose + (s * objects + index) * D, p[12];
            proposals.back().draw(random, &pose[s * D]);
            // What is weighted is what is told.
            for (int i = 0; i < D; ++i) pose[s * D + i] = rounded[i] = T(pose[s * D + i]);
            object.template projection<Space>(rounded, p);
            cost_at[s] = all_finite(rounded, D) ? cost(object, p) : std::numeric_limits<T>::infinity();
            for (size_t older = 0; older + 1 < proposals.size(); ++older) density[s] += proposals[older].density(&pose[s * D]);
        }
        for (int64_t s = 0; s < done; ++s) {
            density[s] += proposals.back().density(&pose[s * D]);
            log_weight[s] = -cost_at[s] - std::log(density[s] / proposals.size());
        }
        const double log_total = softmax(log_weight.data(), done, weight.data());
        if (done == to.number) {
            to.finite[index] = std::isfinite(log_total);
            break;
        }
        proposals.push_back(proposals.back().refit({pose.data(), weight.data(), done, D}));
    }
    for (int64_t s = 0; s < to.number; ++s) to.log_weight[s * objects + index] = T(log_weight[s]);
}

}  // namespace epropnp
