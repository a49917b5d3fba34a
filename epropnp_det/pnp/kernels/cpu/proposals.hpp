// The proposal distributions of proposals.py, in double precision: draw, density, and fit to weighted samples.
//
// Densities are no logarithms here: heavy tails and uniform parts keep them far from underflow where anything is drawn.
#pragma once

#include <algorithm>

#include "pose.hpp"
#include "random.hpp"

namespace epropnp {

// proposals.py has these numbers with their reasons.
constexpr int ATTEMPTS = 16, TYLER_ROUNDS = 3;
constexpr double MIN_CONCENTRATION = 1e-5, MAX_CONCENTRATION = 1e8, DISPERSION = 0.001, FLAT = 1e-6, EMPTY = 1e-8, FLAT_SPHERE = 1e-8;

template <int D>
struct Matrix {
    double at[D][D] = {};

    double trace() const {
        double total = 0;
        for (int i = 0; i < D; ++i) total += at[i][i];
        return total;
    }
    void add_to_diagonal(double value) {
        for (int i = 0; i < D; ++i) at[i][i] += value;
    }
    // Adds weight v v^T to the lower triangle.
    void add(double weight, const double* v) {
        for (int i = 0; i < D; ++i)
            for (int j = 0; j <= i; ++j) at[i][j] += weight * v[i] * v[j];
    }
};

// A lower Cholesky factor, its inverse and its determinant.
template <int D>
struct Factor {
    Matrix<D> lower, inverse;
    double volume = 1;

    // Of a symmetric matrix, given by its lower triangle; false, and the identity, where it has none.
    bool decompose(const Matrix<D>& matrix) {
        lower = Matrix<D>();
        for (int i = 0; i < D; ++i)
            for (int j = 0; j <= i; ++j) {
                double left = matrix.at[i][j];
                for (int k = 0; k < j; ++k) left -= lower.at[i][k] * lower.at[j][k];
                if (i == j && !(left > 0 && std::isfinite(left))) return set_identity();
                lower.at[i][j] = i == j ? std::sqrt(left) : left / lower.at[j][j];
            }
        invert();
        return true;
    }
    template <class T>
    void read(const T* factor) {
        for (int i = 0; i < D; ++i)
            for (int j = 0; j <= i; ++j) lower.at[i][j] = factor[D * i + j];
        invert();
    }
    // |L^-1 v|^2.
    double squared(const double* v) const {
        double total = 0;
        for (int i = 0; i < D; ++i) {
            double one = 0;
            for (int j = 0; j <= i; ++j) one += inverse.at[i][j] * v[j];
            total += one * one;
        }
        return total;
    }
    void apply(const double* v, double* product) const {
        for (int i = 0; i < D; ++i) {
            product[i] = 0;
            for (int j = 0; j <= i; ++j) product[i] += lower.at[i][j] * v[j];
        }
    }

  private:
    bool set_identity() {
        lower = Matrix<D>();
        lower.add_to_diagonal(1);
        invert();
        return false;
    }
    void invert() {
        volume = 1;
        for (int i = 0; i < D; ++i) {
            volume *= lower.at[i][i];
            inverse.at[i][i] = 1 / lower.at[i][i];
            for (int j = 0; j < i; ++j) {
                double total = 0;
                for (int k = j; k < i; ++k) total -= lower.at[i][k] * inverse.at[k][j];
                inverse.at[i][j] = total / lower.at[i][i];
            }
        }
    }
};

// Poses (S, D) with normalised weights (S).
struct Weighted {
    const double *pose, *weight;
    int64_t number;
    int dim;

    const double* at(int64_t s) const { return pose + dim * s; }
};

// Student-t over translations, df 3: (4 / sqrt(pi)) (3 pi)^(-3/2) / |L| (1 + |L^-1 (t - m)|^2 / 3)^-3.
struct StudentT {
    double mean[3];
    Factor<3> factor;

    void draw(Random& random, double* t) const {
        double normal[3], arm[3];
        for (double& one : normal) one = random.normal();
        const double spread = std::sqrt(3 / std::max(random.chi_squared_3(), std::numeric_limits<double>::min()));
        factor.apply(normal, arm);
        for (int i = 0; i < 3; ++i) t[i] = mean[i] + spread * arm[i];
    }
    double density(const double* t) const {
        const double arm[3] = {t[0] - mean[0], t[1] - mean[1], t[2] - mean[2]}, tail = 1 + factor.squared(arm) / 3;
        static const double constant = 4 / std::sqrt(PI) / std::pow(3 * PI, 1.5);
        return constant / (factor.volume * tail * tail * tail);
    }
    bool fit(const Weighted& samples) {
        Matrix<3> covariance;
        for (double& one : mean) one = 0;
        for (int64_t s = 0; s < samples.number; ++s)
            for (int i = 0; i < 3; ++i) mean[i] += samples.weight[s] * samples.at(s)[i];
        for (int64_t s = 0; s < samples.number; ++s) {
            const double* t = samples.at(s);
            const double arm[3] = {t[0] - mean[0], t[1] - mean[1], t[2] - mean[2]};
            covariance.add(samples.weight[s], arm);
        }
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

// Von Mises and uniform angles mixed.
class VonMises {
  public:
    template <class T>
    void read(int64_t index, const T* mean, const T* concentration, double uniform_part) {
        uniform = uniform_part;
        set(mean[index], concentration[index]);
    }
    void draw(Random& random, double* angle) const {
        const double side = random.uniform(), flat = random.uniform(), part = random.uniform();
        angle[0] = mean + std::copysign(part < uniform ? flat * PI : best_fisher(random), side - 0.5);
    }
    double density(const double* angle) const {
        const double half = std::sin((angle[0] - mean) / 2);
        return peak * std::exp(-2 * kappa * half * half) + uniform / (2 * PI);
    }
    bool fit(const Weighted& samples) {
        double sine = 0, cosine = 0, gap = 0;
        for (int64_t s = 0; s < samples.number; ++s) {
            sine += samples.weight[s] * std::sin(samples.at(s)[3]);
            cosine += samples.weight[s] * std::cos(samples.at(s)[3]);
        }
        const double direction = std::atan2(sine, cosine);
        for (int64_t s = 0; s < samples.number; ++s) {
            const double half = std::sin((samples.at(s)[3] - direction) / 2);
            gap += 2 * samples.weight[s] * half * half;
        }
        gap = at_most(at_least(gap, 1 / MAX_CONCENTRATION), 1.0);
        const double length = 1 - gap, concentration = 0.33 * length * (2 - length * length) / (gap * (1 + length));
        set(direction, concentration);
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
    // Absolute angle by rejection: of ATTEMPTS the first accepted, or the first.
    double best_fisher(Random& random) const {
        double first = 0;
        for (int attempt = 0; attempt < ATTEMPTS; ++attempt) {
            const double cosine = std::cos(PI * random.uniform()), chance = random.uniform();
            const double proposed = (1 + ratio * cosine) / (ratio + cosine), test = kappa * (ratio - proposed);
            if (attempt == 0) first = proposed;
            if (!(std::log(test / chance) + 1 - test >= 0)) continue;
            first = proposed;
            break;
        }
        return std::acos(at_most(at_least(first, -1.0), 1.0));
    }
};

// Angular central Gaussian over unit quaternions, its factor in a frame near the mode.
class AngularCentralGaussian {
  public:
    template <class T>
    void read(int64_t index, const T* frames, const T* factors, double) {
        for (int i = 0; i < 16; ++i) frame.at[i / 4][i % 4] = frames[16 * index + i];
        factor.read(factors + 16 * index);
    }
    void draw(Random& random, double* quaternion) const {
        double normal[4], local[4], squared = 0;
        for (double& one : normal) one = random.normal();
        factor.apply(normal, local);
        for (int i = 0; i < 4; ++i) {
            quaternion[i] = 0;
            for (int j = 0; j < 4; ++j) quaternion[i] += frame.at[i][j] * local[j];
            squared += quaternion[i] * quaternion[i];
        }
        for (int i = 0; i < 4; ++i) quaternion[i] /= std::sqrt(squared);
    }
    double density(const double* quaternion) const {
        double local[4];
        in_frame(quaternion, local);
        const double squared = factor.squared(local);
        return 1 / (2 * PI * PI * factor.volume * squared * squared);
    }
    bool fit(const Weighted& samples) {
        set_frame(samples.at(std::max_element(samples.weight, samples.weight + samples.number) - samples.weight) + 3);
        Matrix<4> shape;
        shape.add_to_diagonal(1);
        for (int round = 0; round < TYLER_ROUNDS; ++round) {
            factor.decompose(shape);
            shape = Matrix<4>();
            for (int64_t s = 0; s < samples.number; ++s) {
                double local[4];
                in_frame(samples.at(s) + 3, local);
                shape.add(samples.weight[s] / factor.squared(local), local);
            }
            const double size = shape.trace();
            for (auto& row : shape.at)
                for (double& one : row) one /= size;
            shape.add_to_diagonal(FLAT_SPHERE);
        }
        // No direction is much narrower than the others together.
        if (!factor.decompose(shape)) return false;
        shape.add_to_diagonal(DISPERSION * std::sqrt(factor.volume));
        return factor.decompose(shape);
    }

  private:
    Matrix<4> frame;
    Factor<4> factor;

    // quaternion.basis.
    void set_frame(const double* q) {
        const double w = q[0], i = q[1], j = q[2], k = q[3];
        frame = {{{w, i, j, k}, {i, -w, -k, j}, {j, k, -w, -i}, {k, -j, i, -w}}};
    }
    void in_frame(const double* quaternion, double* local) const {
        for (int j = 0; j < 4; ++j) {
            local[j] = 0;
            for (int i = 0; i < 4; ++i) local[j] += quaternion[i] * frame.at[i][j];
        }
    }
};

}  // namespace epropnp
