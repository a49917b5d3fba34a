# The ten classes of the nuScenes detection task: mean and standard deviation of length, height and
# width in metres over the training set, the attributes that each class admits, and the greatest
# distance in metres from the vehicle that the evaluation counts.
cycle = ("cycle.with_rider", "cycle.without_rider")
pedestrian = ("pedestrian.moving", "pedestrian.standing", "pedestrian.sitting_lying_down")
vehicle = ("vehicle.moving", "vehicle.parked", "vehicle.stopped")
classes = dict(
    class_names=(
        "car",
        "truck",
        "trailer",
        "bus",
        "construction_vehicle",
        "bicycle",
        "motorcycle",
        "pedestrian",
        "traffic_cone",
        "barrier",
    ),
    size_mean=(
        (4.62, 1.73, 1.96),
        (6.94, 2.84, 2.52),
        (12.56, 3.89, 2.94),
        (11.22, 3.50, 2.95),
        (6.68, 3.21, 2.85),
        (1.70, 1.29, 0.61),
        (2.11, 1.46, 0.78),
        (0.73, 1.77, 0.67),
        (0.41, 1.08, 0.41),
        (0.50, 0.99, 2.52),
    ),
    size_std=(
        (0.46, 0.24, 0.16),
        (2.11, 0.84, 0.45),
        (4.50, 0.77, 0.54),
        (2.06, 0.49, 0.33),
        (3.23, 0.93, 1.07),
        (0.26, 0.35, 0.16),
        (0.33, 0.29, 0.17),
        (0.19, 0.19, 0.14),
        (0.14, 0.27, 0.13),
        (0.17, 0.15, 0.62),
    ),
    attributes=(*cycle, *pedestrian, *vehicle, "none"),
    admitted_attributes=dict(
        car=vehicle,
        truck=vehicle,
        trailer=vehicle,
        bus=vehicle,
        construction_vehicle=vehicle,
        bicycle=cycle,
        motorcycle=cycle,
        pedestrian=pedestrian,
    ),
    detection_range=dict(
        car=50.0,
        truck=50.0,
        trailer=50.0,
        bus=50.0,
        construction_vehicle=50.0,
        bicycle=40.0,
        motorcycle=40.0,
        pedestrian=40.0,
        traffic_cone=30.0,
        barrier=30.0,
    ),
)
del cycle, pedestrian, vehicle
