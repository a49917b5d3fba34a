// Adaptive multiple importance sampling, Alg. 1, as in inference.posterior and amis.amis.
#pragma once

#include <limits>

#include "proposals.hpp"
#include "solver.hpp"

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

template <class Space>
struct Proposal {
    StudentT translation;
    typename OrientationOf<Space>::type orientation;

    // From a pose and its covariance; false where there is no such proposal.
    bool laplace(const double* pose, const Matrix<Space::dof>& covariance, double uniform_part) {
        const bool fine = translation.laplace(pose, covariance);
        return orientation.laplace(pose + 3, covariance, uniform_part) && fine;
    }
    INLINE void draw(Random<Doubles>& random, Doubles* pose) const {
        translation.draw(random, pose);
        orientation.draw(random, pose + 3);
    }
    INLINE Doubles density(const Doubles* pose) const { return translation.density(pose) * orientation.density(pose + 3); }
    // The proposal fitted to samples, or this one where the fit fails.
    Proposal refit(const Weighted& samples) const {
        Proposal next = *this;
        const bool fine = next.translation.fit(samples), also_fine = next.orientation.fit(samples);
        return fine && also_fine ? next : *this;
    }
};

// The estimates (B, D), whether they are valid (B), and the weight of uniform angles. `Begin` of library.py.
template <class T>
struct Begin {
    const T* pose;
    const bool* valid;
    double uniform;
};

// The proposal of the first round; false where it could not be made.
template <class Space, class T>
bool set_first(const Object<T>& object, int64_t index, const Begin<T>& begin, Proposal<Space>& first) {
    T pose[Space::dim];
    double centred[Space::dim];
    Matrix<Space::dof> covariance;
    if (begin.valid[index]) std::copy_n(begin.pose + index * Space::dim, Space::dim, pose);
    else set_identity<Space>(pose);
    auto placed = object.template place<Space>(pose);
    std::copy_n(placed.t, 3, centred);
    std::copy_n(pose + 3, Space::dim - 3, centred + 3);
    const auto lanes = normal_equations<Space>(object, Everywhere<T>(placed), true);
    double hessian[Space::dof][Space::dof];
    for (int i = 0; i < Space::dof; ++i)
        for (int j = 0; j <= i; ++j) hessian[i][j] = lanes.hessian[i][j][0];
    const bool fine = damped_inverse(hessian, covariance);
    return first.laplace(centred, covariance, begin.uniform) && fine;
}

// Normalised weights of log weights; returns the log of their sum. Their number is a multiple of the width.
inline double softmax(const std::vector<double>& log_weight, int64_t number, std::vector<double>& weight) {
    const double highest = *std::max_element(log_weight.begin(), log_weight.begin() + number);
    Doubles lanes = {};
    for (int64_t s = 0; s < number; s += WIDTH<double>) {
        const Doubles one = exponential(load(&log_weight[s]) - highest);
        lanes += one;
        store(&weight[s], one);
    }
    const double total = sum<double>(lanes);
    for (int64_t s = 0; s < number; ++s) weight[s] /= total;
    return highest + std::log(total);
}

// Rounded to T, as doubles.
template <class T>
INLINE Doubles rounded(Doubles value) {
    return each(value, [](double one) { return double(T(one)); });
}

// Arrays for the samples, and random numbers that are given (B, S, `OrientationOf::given`) or not.
template <class T>
struct Samples {
    const double* given;
    int64_t number, rounds;
    T *pose, *log_weight;  // (S, B, D), (S, B)
    bool* valid;           // (B)
};

// The sampler of one object: samples side by side, with room for a pack that is not full.
template <class Space, class T>
class Sampler {
  public:
    static constexpr int D = Space::dim, GIVEN = OrientationOf<Space>::given;

    Sampler(const Object<T>& object, uint64_t key, int64_t index, int64_t objects, const Samples<T>& to)
        : object(object), key(key), index(index), objects(objects), to(to), stride(padded<double>(to.number) + WIDTH<double>),
          pose(D * stride), cost_at(stride), density(stride), log_weight(stride), weight(stride) {}

    // False where the weights are not finite.
    bool run(const Proposal<Space>& first) {
        proposals.assign(1, first);
        const int64_t each = to.number / to.rounds;
        for (int64_t done = each;; done += each) {
            for (int64_t s = done - each; s < done; s += WIDTH<double>) draw(s, done);
            const double log_total = weigh(done);
            if (done == to.number) return std::isfinite(log_total);
            proposals.push_back(proposals.back().refit({pose.data(), weight.data(), padded<double>(done), stride}));
        }
    }
    void write() const {
        for (int64_t s = 0; s < to.number; ++s) to.log_weight[s * objects + index] = T(log_weight[s]);
    }

  private:
    const Object<T>& object;
    const uint64_t key;
    const int64_t index, objects;
    const Samples<T>& to;
    const int64_t stride;
    std::vector<double> pose, cost_at, density, log_weight, weight;
    std::vector<Proposal<Space>> proposals;

    // A pack of samples from `s` on, with their costs and densities; those from `end` on are left to the next round.
    void draw(int64_t s, int64_t end) {
        Doubles drawn[D], returned[3], p[12], fine = {}, older = {};
        auto random = to.given ? Random<Doubles>(to.given + index * to.number * GIVEN, GIVEN, s, to.number) : Random<Doubles>(key, index, s);
        proposals.back().draw(random, drawn);
        // The weighted pose is the returned pose, rounded.
        for (int i = 3; i < D; ++i) drawn[i] = rounded<T>(drawn[i]);
        Placed<Doubles> placed;
        Space::rotation(drawn, placed.r);
        for (int i = 0; i < 3; ++i) {
            const Doubles lever = object.lever(placed.r, i);
            returned[i] = rounded<T>(drawn[i] - lever);
            placed.t[i] = drawn[i] = returned[i] + lever;
        }
        for (int i = 0; i < D; ++i) {
            store(&pose[i * stride + s], drawn[i]);
            fine += drawn[i] - drawn[i];
        }
        object.projection(placed, p);
        for (size_t n = 0; n + 1 < proposals.size(); ++n) older += proposals[n].density(drawn);
        store(&density[s], older);
        for (int64_t lane = 0; lane < std::min<int64_t>(WIDTH<double>, end - s); ++lane) {
            T one[12];
            for (int i = 0; i < 12; ++i) one[i] = T(p[i][lane]);
            cost_at[s + lane] = fine[lane] == 0 ? cost(object, one) : std::numeric_limits<T>::infinity();
            T* out = to.pose + ((s + lane) * objects + index) * D;
            for (int i = 0; i < D; ++i) out[i] = T(i < 3 ? returned[i][lane] : drawn[i][lane]);
        }
    }

    // Weights of all samples so far against the mixture of all proposals; returns the log of their sum.
    double weigh(int64_t done) {
        for (int64_t s = 0; s < done; s += WIDTH<double>) {
            Doubles drawn[D];
            for (int i = 0; i < D; ++i) drawn[i] = load(&pose[i * stride + s]);
            const Doubles mixed = load(&density[s]) + proposals.back().density(drawn);
            store(&density[s], mixed);
            store(&log_weight[s], -load(&cost_at[s]) - logarithm(mixed / double(proposals.size())));
        }
        std::fill(log_weight.begin() + done, log_weight.end(), -std::numeric_limits<double>::infinity());
        return softmax(log_weight, padded<double>(done), weight);
    }
};

template <class Space, class T>
void sample(const Object<T>& object, uint64_t key, int64_t index, int64_t objects, const Begin<T>& begin, const Samples<T>& to) {
    Proposal<Space> first;
    const bool fine = set_first(object, index, begin, first);
    Sampler<Space, T> sampler(object, key, index, objects, to);
    to.valid[index] = sampler.run(first) && fine && begin.valid[index];
    sampler.write();
}

}  // namespace epropnp
