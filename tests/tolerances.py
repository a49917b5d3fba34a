"""All tolerances of the tests, each with its reason. They are relative and absolute unless stated
otherwise.
"""

# --- recordings of the released programs (float32) ---
# Sums of a hundred float32 terms of mixed sign, rounded in another order.
RECORDED = 1e-5
# The same for 6DoF numbers against ours in float64, or in kernels that round less: the rounding of
# the recording itself shows.
RECORDED_ROUNDED = 2e-5
# Recordings in float64, relative to the largest number: sums and convolutions in another order, and
# solver steps that amplify their rounding.
RECORDED_FLOAT64 = 1e-6
# Closed formulas in float64, a few hundred terms.
RECORDED_FORMULA = 1e-12
# Where a solver stops: relative to the recorded cost ...
RECORDED_MINIMUM_COST = 1e-4
# ... in metres and radians, or in posterior standard deviations, whichever is wider ...
RECORDED_POSE, RECORDED_POSE_SIGMAS = 1e-3, 1e-2
# ... and relative to the largest entry of the covariance, which moves with the pose.
RECORDED_COVARIANCE = 1e-2
# One Gauss-Newton step of decimetres in float32: relative to a pose of tens of metres.
RECORDED_STEP = 1e-5
# Monte Carlo means, in recorded standard deviations of a single run.
RECORDED_SIGMAS = 4.0
# Loss components: closed formulas in float32.
COMPONENT = 1e-5
# A whole small head in float32, convolutions summed in another order.
HEAD = 1e-4
# Losses of 20 steps by two processes against one: float32 sums over images in another order.
PROCESSES = 1e-5

# --- laws ---
# Identities computed in float64; what remains is rounding of numbers near a thousand (pixels,
# costs).
EXACT = 1e-8
# The same in float32.
EXACT_FLOAT32 = 1e-4
# Detections of a mirrored image in float64: five solver steps from starts that agree, sums taken in
# another order.
MIRRORED = 1e-6
# Compiled kernels against float64 autograd, relative to the largest number: other orders of the
# same sums ...
NATIVE = 1e-10
# ... and the same sums in float32.
NATIVE_FLOAT32 = 2e-5
# Central differences in float64, cube root of the rounding error.
FINITE_DIFFERENCE = 1e-6
# Two minimisers stopped at different gradients, metres and radians.
MINIMUM = 1e-5
# Relative cost above the lowest minimum, and cost of noise-free points: ten solver steps end closer
# to a minimum, and other minima cost more.
LOWEST_COST, ZERO_COST = 5e-3, 1e-6
# Numerical integrals of smooth densities.
QUADRATURE = 1e-6
# Monte Carlo estimates, in their own standard errors: exceeded once in 15 000 honest runs, and the
# seeds are fixed.
SIGMAS = 4.0
# Mean of Z_hat / Z over 200 runs, in standard errors of the mean: exceeded once in 370 honest runs,
# and the seeds are fixed.
STANDARD_ERRORS = 3.0
# Bias of a mean gradient relative to its length: three standard errors of 200 runs of 512 samples.
GRADIENT_BIAS = 0.005
# Largest difference between a density estimated from a thousand samples and the true one, relative
# to its peak: blur and chance.
DENSITY = 0.15
# p-value below which a Kolmogorov-Smirnov test rejects that draws follow the density; the seeds
# are fixed.
P_VALUE = 1e-3

# --- data ---
# Box centres in metres, there and back through float64 frames a kilometre from the origin and
# float32 boxes.
BOX_CENTER = 1e-5
# Radians between a box upright on the ground and the same box read as upright in a camera tilted by
# 0.01: second order.
UPRIGHT_YAW = 2e-4
# Pixels between the corners of the two, at the ends of a 12 m trailer 24 m away: first order.
UPRIGHT_CORNER = 3.0
# The same for the share of a box that the image cuts off.
UPRIGHT_TRUNCATION = 0.02
# Pixels; centroid of a smooth spot resampled once.
CENTROID = 0.05
# The same after the distortion of a lens is undone, which stretches one side of the spot more.
UNDISTORTED_CENTROID = 0.2
# Pixels by which the border of an undistorted box, a curve, passes a side between its points.
UNDISTORTED_BORDER = 0.5
# Pixels there and back through OpenCV's iterations of the distortion of a lens.
LENS_PIXEL = 1e-3
# Pixels, up to 1600 of them, stored in float32 and projected by a float32 camera.
STORED_PIXEL = 5e-3
# Metres between points forty metres away, there and back through these pixels.
STORED_POINT = 1e-3
# Official metrics of perfect detections: precision interpolated at 101 recalls, heading without the
# tilt.
PERFECT_SCORE = 1e-4

# Posterior standard deviations between detections of one view, once drawn from four times as many
# equal pixels: the sums of an average are rounded in another order.
SAME_VIEW_SIGMAS = 0.01

# --- the synthetic dataset ---
# Pixels between the box of a silhouette and that of its mesh's vertices: pixels are seen through
# their middles, and a tip narrower than a pixel falls between them.
SILHOUETTE = 2.0
# m/s; the devkit divides by a difference of times of 1.5e9 s in float64, which are 2.4e-7 s apart.
TRACK_VELOCITY = 1e-4
# Of a sum of 6000 numbers up to 1000, which another processor or numpy may round differently; any
# change of the world is far larger.
FROZEN_WORLD = 1e-3
# Mean difference, of 255, between a picture and the same picture from its JPEG file of quality 90.
JPEG = 2.0
# Levels of 255 of a CMYK picture: two conversions of colours and the rounding of JPEG.
CMYK_LEVELS = 3

# bfloat16 keeps 8 bits: each of the three layers between image and loss rounds by up to 1/256, in
# the forward and in the backward pass.
BFLOAT16 = 6 / 256
# The sum of the losses behind the twenty layers of a ResNet-18 in half precision, random weights.
HALF_PRECISION_LOSS = 0.05
# float16 keeps 11 bits.
FLOAT16 = 1 / 1024

# --- object-pose network ---
# Metres and radians of a pose solved in float32 from exact correspondences at a metre.
MINIMUM_FLOAT32 = 1e-4
# Median errors of eight patches after 120 steps of a small network: three times what they were.
LEARNT_DEGREES, LEARNT_METRES = 10.0, 0.1

# --- object poses ---
# Recorded in float64 in mm, pixels and degrees; what remains is the order of the sums.
METRIC = 1e-9
# Percent, recorded with two decimals.
RELEASED_PERCENT = 0.006
# Percent; newer versions of SciPy close Simpson's rule for an even number of points in another way.
RELEASED_AREA = 0.02
# px; points of the model in float32, projected at 0.5 m.
CELL_CENTRE = 1e-3
# m; Embree computes distances of a metre in float32.
RAY_CAST = 1e-6
# Of the size of a body: symmetries are fitted to samples of its surface.
SYMMETRY = 2e-3
# px; OpenCV samples images at multiples of 1/32.
FIXED_POINT_PIXEL = 1 / 32
# Levels of 255; the same on a picture with steps of a hundred levels between pixels.
FIXED_POINT_LEVELS = 4
# Share of the cells of a released patch of coordinates that do not lie on the mask's border.
UNBLURRED_CELLS = 0.9
# Camera positions from object frames seven million metres away, metres: coordinates round at 1e-9
# there, and the solver's last step is as small as that rounding lets it be.
FAR_FRAME = 1e-5

# px: float32 coordinates of ray-cast points, some 200 px from the principal point.
RAY_CAST_PIXELS = 5e-3
# Mean difference, of 255 levels, between a patch that is rendered alone and one cut from the whole
# image: JPEG's blocks lie elsewhere, and one ray a pixel replaces the mean over the pixels.
PHOTOGRAPH_LEVELS = 2.5
# Metres and half radians of a pose at a metre: a few wrong points project to within a cell of their
# place, so that RANSAC keeps them.
RANSAC_POSE = 0.02
# Sum over three channels of 255 levels: lines in a JPEG picture, whose colours it blends.
DRAWN_COLOR = 60
# Linear RGB up to 3: the renderer keeps colours in float32.
RADIANCE = 1e-5
# Detections of an image in a batch and alone: convolutions of another batch size add in another
# order, and the solver amplifies their rounding; m, rad, and scores.
BATCHED_DETECTIONS = 1e-3
# Pose [m, rad], and its variances relatively, after the five iterations of the test and after
# twenty more from there.
SOLVED_AGAIN = 0.1
# Relative: volumes of regions from 512 samples, their densities from 23 neighbours ...
REGION_VOLUME = 0.1
# ... and in four dimensions, where the neighbourhoods are as wide as the distribution.
POSE_VOLUME = 0.3
# Of 0 to 1: a conformal level of 1000 draws is one of their sorted values.
CONFORMAL_STEP = 1e-3

# --- prior on the pose ---
# Posterior standard deviations between two ways to the same posterior: what the linearization of
# the first half leaves out, and rounding of costs in float32.
BAYES_SIGMAS = 0.02
# Metres by which a tracked camera may miss its true place after seven metres: several times what
# half a pixel of noise makes of a hundred points.
TRACKED_METRES = 0.05
# px: optical flow of a blurred texture between pixels.
FLOW = 0.05

# --- other runtimes ---
# Boxes of OpenVINO and ONNX Runtime against torch: convolutions that sum in another order, before
# five solver steps. Promised in docs/how-to/deploy.md.
RUNTIME_METRES, RUNTIME_YAW_DEGREES = 0.01, 0.1
# Metres, radians and cost with four digits after the point, of a solver that starts elsewhere.
PRINTED_POSE = 2e-4
