/* Poses of objects, and samples of their distributions, from weighted points: the kernels of epropnp_det.pnp as C functions.
 *
 * Compile kernels.cpp with -std=c++17 -O3 -fopenmp and link it; it needs nothing but the C++ library. demo/cpp is an example.
 *
 * Arrays are contiguous and row-major, for B objects with N points each. The frame of the camera has x to the
 * right, y down, z forward; lengths are in m, image coordinates in px, with the centre of the first pixel at (0.5, 0.5). The same
 * functions exist for double, with float64 in their names. Nothing is checked: the caller guarantees finite numbers and sizes. */
#ifndef EPROPNP_H
#define EPROPNP_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    const float *x3d;                  /* (B, N, 3) points in the frame of the object, m */
    const float *x2d;                  /* (B, N, 2) their observed projections, px */
    const float *w2d;                  /* (B, N, 2) weights that multiply the residuals, at least 0, 1/px */
    const float *matrix;               /* (B, 3, 3) camera matrices */
    const float *clip_min, *clip_max;  /* (B, 2) projections are clamped to these limits: the image grown by 200 px */
    const float *image_origin;         /* (B, 2) where pixel (0, 0) of the original image is, px: zeros, or of a cropped image negative */
    const float *delta;                /* (B) Huber thresholds, from threshold_float32 */
    const bool *mask;                  /* (B, N) which points exist, or NULL: all */
    int64_t objects, points;           /* B, N */
    double z_min;                      /* nearest depth, m: 0.1 */
} epropnp_objects;

/* The random start, and the solver after it. */
typedef struct {
    int64_t proposals;           /* poses from few points: 64; 0: none, then a start has to be given */
    int64_t points;              /* points of each: 16 */
    int64_t start_iterations;    /* Levenberg-Marquardt steps of each: 3 */
    int64_t plain_gauss_newton;  /* 0: Levenberg-Marquardt; 1: Gauss-Newton without an acceptance test */
    int64_t iterations;          /* steps from the best proposals: 5 */
    int64_t candidates;          /* how many proposals are refined: 1 */
    double separation;           /* least angle between those, rad */
} epropnp_plan;

/* Huber thresholds `delta` (B): relative_delta (0.5) x mean weight x spread of the image points. */
void threshold_float32(const float *x2d, const float *w2d, const bool *mask, int64_t objects, int64_t points, double relative_delta,
                       float *delta, int threads);

/* The most likely poses.
 *
 * dim          4: position and yaw (x, y, z, yaw in rad about y); 7: position and unit quaternion (x, y, z, w, i, j, k)
 * key          seed of the random start
 * proposal_points, rotations   NULL: drawn here
 * start        (B, dim) poses that compete with the random start, or NULL
 * pose         (B, dim)
 * cost         (B) negative logarithm of the density there, up to a constant
 * hessian      (B, T, T) of the cost, T = 4 or 6; its inverse is the covariance (of position and rotation vector where dim is 7)
 * valid        (B) whether the points determine a pose in front of the camera */
void estimate_float32(const epropnp_objects *objects, const uint64_t *key, int64_t dim, const epropnp_plan *plan,
                      const int64_t *proposal_points, const float *rotations, const float *start, float *pose, float *cost,
                      float *hessian, bool *valid, int threads);

/* Weighted samples of the distributions, by adaptive multiple importance sampling (Alg. 1).
 *
 * begin, begin_valid   (B, dim) and (B): poses of estimate_float32
 * uniform      share of uniform headings among the proposals: 0.25
 * given        NULL: random numbers are drawn here
 * samples, rounds      how many, a multiple of the rounds (4)
 * pose         (S, B, dim)
 * log_weight   (S, B); weights are the softmax over the samples
 * valid        (B) */
void sample_float32(const epropnp_objects *objects, const uint64_t *key, int64_t dim, const float *begin, const bool *begin_valid,
                    double uniform, const double *given, int64_t samples, int64_t rounds, float *pose, float *log_weight, bool *valid,
                    int threads);

/* Sizes of the two structures in the library, to compare with those of this header. */
int size_of_objects(void);
int size_of_plan(void);

#ifdef __cplusplus
}
#endif
#endif
