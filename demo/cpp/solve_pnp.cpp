// Solves the pose of one object from weighted points, and draws samples of its distribution, by the C interface of the kernels.
//
//   solve_pnp FX FY CX CY WIDTH HEIGHT < points.txt
//
// A line of the input has x y z of a point in the frame of the object [m], u v of its projection [px], and two weights [1/px].
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "epropnp.h"

int main(int argc, char** argv) {
    if (argc != 7) {
        std::fprintf(stderr, "usage: solve_pnp FX FY CX CY WIDTH HEIGHT < points.txt\n");
        return 2;
    }
    if (size_of_objects() != sizeof(epropnp_objects) || size_of_plan() != sizeof(epropnp_plan)) {
        std::fprintf(stderr, "error: the library is of another version than epropnp.h\n");
        return 2;
    }
    float camera[6];
    for (int i = 0; i < 6; ++i) camera[i] = std::strtof(argv[i + 1], nullptr);
    const float matrix[9] = {camera[0], 0, camera[2], 0, camera[1], camera[3], 0, 0, 1};
    const float low[2] = {-200, -200}, high[2] = {camera[4] + 200, camera[5] + 200}, origin[2] = {0, 0};

    std::vector<float> x3d, x2d, w2d;
    float p[7];
    while (std::scanf("%f %f %f %f %f %f %f", p, p + 1, p + 2, p + 3, p + 4, p + 5, p + 6) == 7) {
        x3d.insert(x3d.end(), p, p + 3);
        x2d.insert(x2d.end(), p + 3, p + 5);
        w2d.insert(w2d.end(), p + 5, p + 7);
    }
    const int64_t points = x3d.size() / 3;
    if (points < 2) {
        std::fprintf(stderr, "error: the input has no points; give 7 numbers in a line\n");
        return 2;
    }

    float delta;
    threshold_float32(x2d.data(), w2d.data(), nullptr, 1, points, 0.5, &delta, 1);
    const epropnp_objects objects = {x3d.data(), x2d.data(), w2d.data(), matrix, low, high, origin, &delta, nullptr, 1, points, 0.1};
    const epropnp_plan plan = {64, 16, 3, 0, 10, 1, 0.349};
    const uint64_t key = 0;
    float pose[4], cost, hessian[16];
    bool valid, sampled;
    estimate_float32(&objects, &key, 4, &plan, nullptr, nullptr, nullptr, pose, &cost, hessian, &valid, 1);
    if (!valid) {
        std::fprintf(stderr, "error: the points determine no pose\n");
        return 1;
    }
    std::printf("x %.4f y %.4f z %.4f m, yaw %.4f rad, cost %.4f\n", pose[0], pose[1], pose[2], pose[3], cost);

    constexpr int64_t SAMPLES = 512, ROUNDS = 4;
    std::vector<float> drawn(SAMPLES * 4), log_weight(SAMPLES);
    sample_float32(&objects, &key, 4, pose, &valid, 0.25, nullptr, SAMPLES, ROUNDS, drawn.data(), log_weight.data(), &sampled, 1);
    if (!sampled) return 1;
    double total = 0, depth = 0, square = 0, highest = log_weight[0];
    for (const float one : log_weight) highest = std::fmax(highest, one);
    for (int64_t s = 0; s < SAMPLES; ++s) {
        const double weight = std::exp(log_weight[s] - highest), z = drawn[4 * s + 2];
        total += weight;
        depth += weight * z;
        square += weight * z * z;
    }
    depth /= total;
    std::printf("depth of %d samples: %.3f m, standard deviation %.3f m\n", int(SAMPLES), depth, std::sqrt(square / total - depth * depth));
}
