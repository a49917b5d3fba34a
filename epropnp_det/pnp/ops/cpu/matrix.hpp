// Small symmetric matrices in double precision, as in _linalg.py.
#pragma once

#include <algorithm>

#include "pack.hpp"

namespace epropnp {

// _constants.py has these numbers with their reasons.
constexpr double MIN_DIAGONAL = 1e-6, MAX_DIAGONAL = 1e32, DAMPING = 1e-5;

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
};

// A lower Cholesky factor, its inverse and its determinant.
template <int D>
struct Factor {
    Matrix<D> lower, inverse;
    double volume = 1;

    // Factorises a symmetric matrix, given by its lower triangle. Without a factor: returns false and sets the identity.
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
    template <class V>
    INLINE V squared(const V* v) const {
        V total = {};
        for (int i = 0; i < D; ++i) {
            V one = {};
            for (int j = 0; j <= i; ++j) one += inverse.at[i][j] * v[j];
            total += one * one;
        }
        return total;
    }
    // L v.
    template <class V>
    INLINE void apply(const V* v, V* product) const {
        for (int i = 0; i < D; ++i) {
            product[i] = V{};
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

// Whether (hessian + damping I) has an inverse, as in _linalg.damped_inverse, and that `inverse` (else the identity).
template <int D>
bool damped_inverse(const double (&hessian)[D][D], Matrix<D>& inverse) {
    Matrix<D> scaled;
    double scale[D];
    for (int i = 0; i < D; ++i) scale[i] = 1 / root(at_most(at_least(hessian[i][i] + DAMPING, MIN_DIAGONAL), MAX_DIAGONAL));
    for (int i = 0; i < D; ++i)
        for (int j = 0; j <= i; ++j) scaled.at[i][j] = scale[i] * scale[j] * (hessian[i][j] + (i == j ? DAMPING : 0));
    Factor<D> factor;
    inverse = Matrix<D>();
    if (!factor.decompose(scaled)) {
        inverse.add_to_diagonal(1);
        return false;
    }
    for (int i = 0; i < D; ++i)
        for (int j = 0; j < D; ++j)
            for (int k = std::max(i, j); k < D; ++k) inverse.at[i][j] += scale[i] * scale[j] * factor.inverse.at[k][i] * factor.inverse.at[k][j];
    return true;
}

}  // namespace epropnp
