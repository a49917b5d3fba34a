// The proposal distributions of proposals/, in double precision and with a sample in each lane: draw, density, and fit to samples.
//
// Densities are not logarithms here: heavy tails and uniform parts keep them far from underflow at all samples.
#pragma once

#include "matrix.hpp"
#include "pose.hpp"
#include "random.hpp"

namespace epropnp {

// proposals/ has these numbers with their reasons.
constexpr int ATTEMPTS = 16, TYLER_ROUNDS = 3;
constexpr double MIN_CONCENTRATION = 1e-5, MAX_CONCENTRATION = 1e8, DISPERSION = 0.001, FLAT = 1e-6, EMPTY = 1e-8, FLAT_SPHERE = 1e-8;

using Doubles = Pack<double>;

// Poses with normalised weights, coordinates side by side; their number is a multiple of the width.
struct Weighted {
    const double *pose, *weight;
    int64_t number, stride;

    // Sums of `value(weight, coordinates of poses)` over all samples.
    template <int NUMBER, class Value>
    INLINE void sums(double* total, Value value) const {
        Doubles lanes[NUMBER] = {};
        for (int64_t s = 0; s < number; s += WIDTH<double>)
            value(load(weight + s), [this, s](int i) { return load(pose + i * stride + s); }, lanes);
        for (int i = 0; i < NUMBER; ++i) total[i] = sum<double>(lanes[i]);
    }
};

// Adds weight v v^T to a lower triangle, row by row.
template <int D>
INLINE void add_product(Doubles weight, const Doubles* v, Doubles* triangle) {
    for (int i = 0, at = 0; i < D; ++i)
        for (int j = 0; j <= i; ++j, ++at) triangle[at] += weight * v[i] * v[j];
}

template <int D>
Matrix<D> from_triangle(const double* triangle) {
    Matrix<D> matrix;
    for (int i = 0, at = 0; i < D; ++i)
        for (int j = 0; j <= i; ++j, ++at) matrix.at[i][j] = triangle[at];
    return matrix;
}

// Student-t over translations, df 3: (4 / sqrt(pi)) (3 pi)^(-3/2) / |L| (1 + |L^-1 (t - m)|^2 / 3)^-3.
struct StudentT {
    double mean[3];
    Factor<3> factor;

    // From an estimate and its covariance (the upper left part of a larger one).
    template <int D>
    bool laplace(const double* position, const Matrix<D>& covariance) {
        Matrix<3> scale;
        for (int i = 0; i < 3; ++i) {
            mean[i] = position[i];
            for (int j = 0; j <= i; ++j) scale.at[i][j] = covariance.at[i][j];
        }
        return factor.decompose(scale);
    }
    INLINE void draw(Random<Doubles>& random, Doubles* t) const {
        Doubles normal[3], arm[3];
        for (auto& one : normal) one = random.normal();
        const Doubles spread = root(3 / at_least(random.chi_squared_3(), std::numeric_limits<double>::min()));
        factor.apply(normal, arm);
        for (int i = 0; i < 3; ++i) t[i] = mean[i] + spread * arm[i];
    }
    INLINE Doubles density(const Doubles* t) const {
        static const double constant = 4 / std::sqrt(PI) / std::pow(3 * PI, 1.5);
        const Doubles arm[3] = {t[0] - mean[0], t[1] - mean[1], t[2] - mean[2]}, tail = 1 + factor.squared(arm) / 3;
        return constant / factor.volume / (tail * tail * tail);
    }
    bool fit(const Weighted& samples) {
        samples.sums<3>(mean, [](Doubles weight, auto pose, Doubles* total) {
            for (int i = 0; i < 3; ++i) total[i] += weight * pose(i);
        });
        double triangle[6];
        samples.sums<6>(triangle, [this](Doubles weight, auto pose, Doubles* total) {
            const Doubles arm[3] = {pose(0) - mean[0], pose(1) - mean[1], pose(2) - mean[2]};
            add_product<3>(weight, arm, total);
        });
        auto covariance = from_triangle<3>(triangle);
        covariance.add_to_diagonal(FLAT * covariance.trace() / 3 + EMPTY);
        return factor.decompose(covariance);
    }
};

// exp(-x) I0(x): the power series has no cancellation, and beyond 30 the asymptotic one falls below rounding before it grows.
inline double bessel_i0e(double x) {
    const bool small = x < 30;
    double term = 1, total = 1;
    for (int k = 1; k < 200 && term > 1e-17 * total; ++k) {
        term *= small ? x * x / (4.0 * k * k) : (2 * k - 1) * (2 * k - 1) / (8 * x * k);
        total += term;
    }
    return small ? std::exp(-x) * total : total / std::sqrt(2 * PI * x);
}

// Von Mises and uniform angles mixed, VonMisesUniform.
class VonMises {
  public:
    // From an angle and the covariance of a pose. `uniform_part` is the weight of the uniform angles.
    bool laplace(const double* angle, const Matrix<4>& covariance, double uniform_part) {
        uniform = uniform_part;
        const double concentration = 0.33 / at_least(covariance.at[3][3], 1 / MAX_CONCENTRATION);
        set(angle[0], concentration);
        return std::isfinite(concentration);
    }
    INLINE void draw(Random<Doubles>& random, Doubles* angle) const {
        const Doubles side = random.uniform(), flat = random.uniform() * PI, part = random.uniform(), peaked = best_fisher(random);
        const Doubles size = part < uniform ? flat : peaked;
        angle[0] = mean + (side < 0.5 ? -size : size);
    }
    INLINE Doubles density(const Doubles* angle) const {
        Doubles half, unused;
        sine_cosine((angle[0] - mean) / 2, half, unused);
        return peak * exponential(-2 * kappa * half * half) + uniform / (2 * PI);
    }
    bool fit(const Weighted& samples) {
        double direction[2], gap;
        samples.sums<2>(direction, [](Doubles weight, auto pose, Doubles* total) {
            Doubles sine, cosine;
            sine_cosine(pose(3), sine, cosine);
            total[0] += weight * sine;
            total[1] += weight * cosine;
        });
        const double middle = std::atan2(direction[0], direction[1]);
        samples.sums<1>(&gap, [middle](Doubles weight, auto pose, Doubles* total) {
            Doubles half, unused;
            sine_cosine((pose(3) - middle) / 2, half, unused);
            total[0] += 2 * weight * half * half;
        });
        gap = at_most(at_least(gap, 1 / MAX_CONCENTRATION), 1.0);
        const double length = 1 - gap, concentration = 0.33 * length * (2 - length * length) / (gap * (1 + length));
        set(middle, concentration);
        return std::isfinite(concentration);
    }

  private:
    double mean, kappa, uniform, peak, ratio;

    void set(double direction, double concentration) {
        mean = direction;
        kappa = at_most(at_least(concentration, MIN_CONCENTRATION), MAX_CONCENTRATION);
        peak = (1 - uniform) / (2 * PI * bessel_i0e(kappa));
        const double tau = 1 + std::sqrt(1 + 4 * kappa * kappa), rho = (tau - std::sqrt(2 * tau)) / (2 * kappa);
        ratio = (1 + rho * rho) / (2 * rho);
    }
    // Absolute angles by rejection: of ATTEMPTS the first accepted, or the first.
    INLINE Doubles best_fisher(Random<Doubles>& random) const {
        Doubles chosen = {};
        auto open = chosen == chosen;
        for (int attempt = 0; attempt < ATTEMPTS && any(open); ++attempt) {
            Doubles unused, cosine;
            sine_cosine(PI * random.uniform(), unused, cosine);
            const Doubles chance = random.uniform(), proposed = (1 + ratio * cosine) / (ratio + cosine), test = kappa * (ratio - proposed);
            const auto accepted = open & (logarithm(test / chance) + 1 - test >= 0);
            chosen = attempt == 0 ? proposed : accepted ? proposed : chosen;
            open &= ~accepted;
        }
        return each(at_most(at_least(chosen, -1.0), 1.0), [](double cosine) { return std::acos(cosine); });
    }
};

// Angular central Gaussian over unit quaternions, its factor in a frame near the mode.
class AngularCentralGaussian {
  public:
    // From a quaternion and the covariance C of a pose: 1 along the quaternion and (C^-1 + I)^-1 = (C + I)^-1 C across.
    bool laplace(const double* quaternion, const Matrix<6>& covariance, double) {
        double unit[4], squared = 0;
        for (int i = 0; i < 4; ++i) squared += quaternion[i] * quaternion[i];
        for (int i = 0; i < 4; ++i) unit[i] = quaternion[i] / std::sqrt(squared);
        set_frame(unit);
        Matrix<3> larger;
        for (int i = 0; i < 3; ++i)
            for (int j = 0; j <= i; ++j) larger.at[i][j] = covariance.at[3 + i][3 + j] + (i == j);
        Factor<3> root;
        const bool fine = root.decompose(larger);
        // I - (C + I)^-1 would cancel: columns of L^-1 C are halfway to it.
        Matrix<4> shape;
        shape.at[0][0] = 1;
        for (int i = 0; i < 3; ++i)
            for (int j = 0; j <= i; ++j)
                for (int k = 0; k < 3; ++k)
                    for (int l = std::max(i, k); l < 3; ++l)
                        shape.at[1 + i][1 + j] += root.inverse.at[l][i] * root.inverse.at[l][k] * covariance.at[3 + std::max(k, j)][3 + std::min(k, j)];
        return disperse(shape) && fine;
    }
    INLINE void draw(Random<Doubles>& random, Doubles* quaternion) const {
        Doubles normal[4], local[4], squared = {};
        for (auto& one : normal) one = random.normal();
        factor.apply(normal, local);
        for (int i = 0; i < 4; ++i) {
            quaternion[i] = Doubles{};
            for (int j = 0; j < 4; ++j) quaternion[i] += frame.at[i][j] * local[j];
            squared += quaternion[i] * quaternion[i];
        }
        const Doubles length = root(squared);
        for (int i = 0; i < 4; ++i) quaternion[i] /= length;
    }
    INLINE Doubles density(const Doubles* quaternion) const {
        Doubles local[4];
        in_frame([quaternion](int i) { return quaternion[i]; }, local);
        const Doubles squared = factor.squared(local);
        return 1 / (2 * PI * PI * factor.volume) / (squared * squared);
    }
    bool fit(const Weighted& samples) {
        const int64_t heaviest = std::max_element(samples.weight, samples.weight + samples.number) - samples.weight;
        double mode[4];
        for (int i = 0; i < 4; ++i) mode[i] = samples.pose[(3 + i) * samples.stride + heaviest];
        set_frame(mode);
        Matrix<4> shape;
        shape.add_to_diagonal(1);
        for (int round = 0; round < TYLER_ROUNDS; ++round) {
            factor.decompose(shape);
            double triangle[10];
            samples.sums<10>(triangle, [this](Doubles weight, auto pose, Doubles* total) {
                Doubles local[4];
                in_frame([&pose](int i) { return pose(3 + i); }, local);
                add_product<4>(weight / factor.squared(local), local, total);
            });
            shape = from_triangle<4>(triangle);
            const double size = shape.trace();
            for (auto& row : shape.at)
                for (double& one : row) one /= size;
            shape.add_to_diagonal(FLAT_SPHERE);
        }
        return disperse(shape);
    }

  private:
    Matrix<4> frame;
    Factor<4> factor;

    // No direction is much narrower than the others together.
    bool disperse(Matrix<4> shape) {
        if (!factor.decompose(shape)) return false;
        shape.add_to_diagonal(DISPERSION * std::sqrt(factor.volume));
        return factor.decompose(shape);
    }
    // _quaternion.basis.
    void set_frame(const double* q) {
        const double w = q[0], i = q[1], j = q[2], k = q[3];
        frame = {{{w, i, j, k}, {i, -w, -k, j}, {j, k, -w, -i}, {k, -j, i, -w}}};
    }
    template <class Quaternion>
    INLINE void in_frame(Quaternion quaternion, Doubles* local) const {
        for (int j = 0; j < 4; ++j) {
            local[j] = Doubles{};
            for (int i = 0; i < 4; ++i) local[j] += quaternion(i) * frame.at[i][j];
        }
    }
};

}  // namespace epropnp
