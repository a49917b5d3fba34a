// The random start of random_start.py: poses from random few-point problems, a problem in each lane; those of lowest full cost.
#pragma once

#include <algorithm>

#include "random.hpp"
#include "solver.hpp"

namespace epropnp {

struct StartSettings {
    int64_t proposals, points, iterations, plain_gauss_newton;
};

// How many proposals the solver refines, and the least angle between their orientations.
struct Candidates {
    int64_t number;
    double separation;
};

// A pose of the centred object, and its full cost or a number above that of a better one.
template <class Space, class T>
struct Start {
    T pose[Space::dim], cost;
};
template <class Space, class T>
using Starts = std::vector<Start<Space, T>>;

// Draws points without replacement by weight, one after another: a point drawn twice is replaced by another draw.
//
// A draw is one lookup in a table (Walker's alias method): a share of every bin belongs to its own point, the rest to another point.
template <class T>
class PointDraw {
  public:
    explicit PointDraw(const Object<T>& object) : weight(object.points), bins(object.points), taken(object.points, -1) {
        double total = 0;
        int64_t heaviest = 0;
        for (int64_t n = 0; n < object.points; ++n) {
            weight[n] = double(object.one(n).w2d[0]) + object.one(n).w2d[1];
            total += weight[n];
            usable += weight[n] > 0;
            if (weight[n] > weight[heaviest]) heaviest = n;
        }
        std::vector<int64_t> poor, rich;
        for (int64_t n = 0; n < object.points; ++n) {
            bins[n] = {total > 0 ? weight[n] * (object.points / total) : 0, heaviest};
            (bins[n].share < 1 ? poor : rich).push_back(n);
        }
        while (!poor.empty() && !rich.empty()) {
            const int64_t one = poor.back(), giver = rich.back();
            poor.pop_back();
            bins[one].other = giver;
            bins[giver].share -= 1 - bins[one].share;
            if (bins[giver].share >= 1) continue;
            rich.pop_back();
            poor.push_back(giver);
        }
    }

    // Fills `order` with `number` points: all different, or repeating in turn where too few have a weight.
    void draw(Random<double>& random, int64_t number, int64_t* order) {
        ++round;
        const int64_t different = std::min(number, std::max<int64_t>(usable, 1));
        for (int64_t k = 0; k < different; ++k) {
            order[k] = another(random);
            taken[order[k]] = round;
        }
        for (int64_t k = different; k < number; ++k) order[k] = order[k - different];
    }

  private:
    static constexpr int PATIENCE = 4;
    struct Bin {
        double share;
        int64_t other;
    };
    std::vector<double> weight;
    std::vector<Bin> bins;
    std::vector<int64_t> taken;
    int64_t usable = 0, round = 0;

    int64_t another(Random<double>& random) {
        for (int attempt = 0; attempt < PATIENCE; ++attempt) {
            const double sought = random.uniform() * bins.size();
            const int64_t bin = std::min<int64_t>(sought, bins.size() - 1), n = sought - bin < bins[bin].share ? bin : bins[bin].other;
            if (taken[n] != round) return n;
        }
        return among_the_rest(random);
    }
    // For weights that are concentrated on few points, which are drawn repeatedly.
    int64_t among_the_rest(Random<double>& random) {
        double rest = 0;
        for (size_t n = 0; n < weight.size(); ++n) rest += taken[n] == round ? 0 : weight[n];
        double sought = random.uniform() * rest;
        int64_t last = 0;
        for (size_t n = 0; n < weight.size(); ++n) {
            if (taken[n] == round || !(weight[n] > 0)) continue;
            last = n;
            sought -= weight[n];
            if (sought < 0) break;
        }
        return last;
    }
};

// The inverse of a camera matrix, up to a factor that is its determinant.
inline double adjugate(const double* m, double* inverse) {
    for (int i = 0; i < 3; ++i)
        for (int j = 0; j < 3; ++j) {
            const int a = (j + 1) % 3, b = (j + 2) % 3, c = (i + 1) % 3, d = (i + 2) % 3;
            inverse[3 * i + j] = m[3 * a + c] * m[3 * b + d] - m[3 * a + d] * m[3 * b + c];
        }
    return m[0] * inverse[0] + m[1] * inverse[3] + m[2] * inverse[6];
}

// Moves the rotated poses to where mean and spread of the projected points match those of the image points (random_start._match_spread).
template <class Space, class T>
void match_spread(const Object<T>& object, const std::vector<Point<Pack<T>>>& few, Pack<T>* pose) {
    using V = Pack<T>;
    V r[9], mean_arm[3] = {}, mean[2] = {}, shift = {}, spread = {};
    Space::rotation(pose, r);
    const T share = T(1) / few.size();
    for (const auto& point : few) {
        for (int i = 0; i < 3; ++i)
            mean_arm[i] += share * (r[3 * i] * point.x3d[0] + r[3 * i + 1] * point.x3d[1] + r[3 * i + 2] * point.x3d[2]);
        for (int c = 0; c < 2; ++c) mean[c] += share * point.x2d[c];
    }
    for (const auto& point : few) {
        V arm[3];
        for (int i = 0; i < 3; ++i)
            arm[i] = r[3 * i] * point.x3d[0] + r[3 * i + 1] * point.x3d[1] + r[3 * i + 2] * point.x3d[2] - mean_arm[i];
        for (int c = 0; c < 2; ++c) {
            V moved = {};
            for (int j = 0; j < 3; ++j) moved += (object.lens[3 * c + j] - mean[c] * object.lens[6 + j]) * arm[j];
            shift += moved * moved;
            spread += (point.x2d[c] - mean[c]) * (point.x2d[c] - mean[c]);
        }
    }
    spread = at_least(spread, std::numeric_limits<T>::min());
    const V depth = at_most(at_least(root(shift / spread), 2 * object.z_min), T(1e4));
    double inverse[9];
    const double determinant = adjugate(object.matrix, inverse);
    for (int i = 0; i < 3; ++i) {
        const T a = T(inverse[3 * i] / determinant), b = T(inverse[3 * i + 1] / determinant), c = T(inverse[3 * i + 2] / determinant);
        pose[i] = depth * (a * mean[0] + b * mean[1] + c) - mean_arm[i];
    }
}

inline void random_rotation(Random<double>& random, Yaw, double* turn) { turn[0] = (2 * random.uniform() - 1) * PI; }
inline void random_rotation(Random<double>& random, Rigid, double* turn) {
    double squared = 0;
    for (int i = 0; i < 4; ++i) {
        turn[i] = random.normal();
        squared += turn[i] * turn[i];
    }
    for (int i = 0; i < 4; ++i) turn[i] /= std::sqrt(squared);
}

// Draws of proposals (P, B): indices (P, B, K) of points, and rotations (P, B, D - 3). Null: drawn here.
template <class T>
struct Drawn {
    const int64_t* points;
    const T* rotations;
};

// The points of a pack of few-point problems, a problem in each lane.
template <class V>
using Few = std::vector<Point<V>>;

// Solves the few-point problems from rotations `pose` on, in place.
template <class Space, class T>
void solve_few(const Object<T>& object, const Few<Pack<T>>& few, const StartSettings& settings, Pack<T>* pose) {
    match_spread<Space, T>(object, few, pose);
    iterate<Space, T>(pose, settings.iterations, settings.plain_gauss_newton, [&](const Pack<T>* at, bool zero_clipped) {
        Pack<T> r[9];
        Normal<Pack<T>, Space::dof> lanes;
        Space::rotation(at, r);
        for (const auto& point : few) add_point<Space>(object, r, at, point, zero_clipped, lanes);
        return lanes;
    });
}

// The cost of the object at a pose of the centred object, or a number above `limit`; infinite where the numbers are no pose, or have
// no cost.
template <class Space, class T>
T score(const Object<T>& object, const T* pose, T limit) {
    constexpr T none = std::numeric_limits<T>::infinity();
    if (!exists<Space>(pose)) return none;
    double exact[Space::dim];
    T p[12];
    Placed<double> placed;
    std::copy_n(pose, Space::dim, exact);
    Space::rotation(exact, placed.r);
    std::copy_n(exact, 3, placed.t);
    object.projection(placed, p);
    const T cost = cost_up_to(object, p, limit);
    return cost < none ? cost : none;
}

// All proposals for an object, or the best of them alone.
template <class Space, class T>
Starts<Space, T> random_start(const Object<T>& object, uint64_t key, int64_t index, int64_t objects, const StartSettings& settings,
                              bool only_best, Drawn<T> drawn) {
    PointDraw<T> draw(object);
    Few<Pack<T>> few(settings.points);
    std::vector<int64_t> order(settings.points);
    Starts<Space, T> proposals;
    proposals.reserve(only_best ? 1 : settings.proposals);
    for (int64_t begin = 0; begin < settings.proposals; begin += WIDTH<T>) {
        Pack<T> pose[Space::dim] = {};
        for (int lane = 0; lane < WIDTH<T>; ++lane) {
            // Lanes beyond the last proposal repeat it.
            const int64_t proposal = std::min(begin + lane, settings.proposals - 1), given = proposal * objects + index;
            Random<double> random(key, index, proposal);
            double turn[4];
            random_rotation(random, Space(), turn);
            for (int i = 3; i < Space::dim; ++i)
                pose[i][lane] = drawn.rotations ? drawn.rotations[given * (Space::dim - 3) + i - 3] : T(turn[i - 3]);
            if (drawn.points) std::copy_n(drawn.points + given * settings.points, settings.points, order.data());
            else draw.draw(random, settings.points, order.data());
            for (int64_t k = 0; k < settings.points; ++k) {
                const Point<T> point = object.one(order[k]);
                for (int c = 0; c < 3; ++c) few[k].x3d[c][lane] = point.x3d[c];
                for (int c = 0; c < 2; ++c) few[k].x2d[c][lane] = point.x2d[c], few[k].w2d[c][lane] = point.w2d[c];
            }
        }
        solve_few<Space>(object, few, settings, pose);
        for (int lane = 0; lane < std::min<int64_t>(WIDTH<T>, settings.proposals - begin); ++lane) {
            Start<Space, T> one;
            for (int i = 0; i < Space::dim; ++i) one.pose[i] = pose[i][lane];
            const bool is_next = proposals.empty() || !only_best;
            one.cost = score<Space>(object, one.pose, is_next ? std::numeric_limits<T>::infinity() : proposals[0].cost);
            if (is_next) proposals.push_back(one);
            else if (one.cost < proposals[0].cost) proposals[0] = one;
        }
    }
    return proposals;
}

// random_start.distinct: those of lowest cost whose orientations are at least an angle apart; others of lowest cost where these are
// too few.
template <class Space, class T>
Starts<Space, T> distinct(Starts<Space, T> proposals, const Candidates& candidates) {
    const auto cheaper = [](const auto& one, const auto& other) { return one.cost < other.cost; };
    const size_t number = std::min<size_t>(candidates.number, proposals.size());
    if (number == 1) return {*std::min_element(proposals.begin(), proposals.end(), cheaper)};
    const T nearest = T(std::cos(candidates.separation));
    Starts<Space, T> picked, rest;
    std::stable_sort(proposals.begin(), proposals.end(), cheaper);
    for (const auto& one : proposals) {
        const bool apart = std::all_of(picked.begin(), picked.end(),
                                       [&](const auto& other) { return Space::angle_cosine(one.pose, other.pose) < nearest; });
        (apart && picked.size() < number && std::isfinite(one.cost) ? picked : rest).push_back(one);
    }
    picked.insert(picked.end(), rest.begin(), rest.begin() + (number - picked.size()));
    return picked;
}

}  // namespace epropnp
