// Depthwise convolution of channels-last maps, forward and backward. A warp is 32 neighbouring channels of one position, so
// every load and store is one piece; a block has 8 warps. Half precision is converted on the way in and out, all sums are
// f32. No header is included, so that the compiler alone is needed where this runs.

constexpr int CHANNELS = 32;
constexpr int LANES = 8;
constexpr int STRIP = 4;
constexpr int PART = 4096;

// Half precision by its bits: the type itself is in a header of the toolkit.
struct half_bits {
    unsigned short bits;
};

__device__ __forceinline__ float get(float value) { return value; }

__device__ __forceinline__ float get(half_bits value) {
    float wide;
    asm("cvt.f32.f16 %0, %1;" : "=f"(wide) : "h"(value.bits));
    return wide;
}

__device__ __forceinline__ void put(float *place, float value) { *place = value; }

__device__ __forceinline__ void put(half_bits *place, float value) {
    unsigned short bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    place->bits = bits;
}

struct geometry {
    int batch, height, width, channels, height_out, width_out, above, left, kernel, stride;
};

// STRIP outputs along a row in one thread: each input is loaded once for all of them.
template <typename T, int K, int S>
__device__ __forceinline__ void forward_sized(const T *map, const T *weight, const T *bias, T *out, geometry g) {
    const int channel = blockIdx.x * CHANNELS + threadIdx.x;
    const int strips = (g.width_out + STRIP - 1) / STRIP;
    const int strip = blockIdx.y * LANES + threadIdx.y;
    if (channel >= g.channels || strip >= strips * g.height_out) return;
    const int row = strip / strips, first = strip % strips * STRIP;
    const T *image = map + (size_t)blockIdx.z * g.height * g.width * g.channels + channel;
    const T *taps = weight + (size_t)channel * K * K;
    float sums[STRIP];
#pragma unroll
    for (int p = 0; p < STRIP; p++) sums[p] = get(bias[channel]);
#pragma unroll
    for (int ky = 0; ky < K; ky++) {
        const int y = row * S + ky - g.above;
        if (y < 0 || y >= g.height) continue;
        float tap[K];
#pragma unroll
        for (int kx = 0; kx < K; kx++) tap[kx] = get(taps[ky * K + kx]);
        const T *line = image + (size_t)y * g.width * g.channels;
#pragma unroll
        for (int j = 0; j < (STRIP - 1) * S + K; j++) {
            const int x = first * S + j - g.left;
            const float value = x >= 0 && x < g.width ? get(line[(size_t)x * g.channels]) : 0.0f;
#pragma unroll
            for (int p = 0; p < STRIP; p++) {
                const int kx = j - p * S;
                if (kx >= 0 && kx < K) sums[p] = fmaf(value, tap[kx], sums[p]);
            }
        }
    }
    T *place = out + (((size_t)blockIdx.z * g.height_out + row) * g.width_out + first) * g.channels + channel;
#pragma unroll
    for (int p = 0; p < STRIP; p++) {
        if (first + p < g.width_out) put(place + (size_t)p * g.channels, sums[p]);
    }
}

// Kernels and strides that nobody expects.
template <typename T>
__device__ __forceinline__ void forward_any(const T *map, const T *weight, const T *bias, T *out, geometry g) {
    const int channel = blockIdx.x * CHANNELS + threadIdx.x;
    const int strips = (g.width_out + STRIP - 1) / STRIP;
    const int strip = blockIdx.y * LANES + threadIdx.y;
    if (channel >= g.channels || strip >= strips * g.height_out) return;
    const int row = strip / strips, first = strip % strips * STRIP;
    const T *image = map + (size_t)blockIdx.z * g.height * g.width * g.channels + channel;
    const T *taps = weight + (size_t)channel * g.kernel * g.kernel;
    for (int column = first; column < first + STRIP && column < g.width_out; column++) {
        float sum = get(bias[channel]);
        for (int ky = 0; ky < g.kernel; ky++) {
            const int y = row * g.stride + ky - g.above;
            if (y < 0 || y >= g.height) continue;
            for (int kx = 0; kx < g.kernel; kx++) {
                const int x = column * g.stride + kx - g.left;
                if (x < 0 || x >= g.width) continue;
                sum = fmaf(get(image[((size_t)y * g.width + x) * g.channels]), get(taps[ky * g.kernel + kx]), sum);
            }
        }
        put(out + (((size_t)blockIdx.z * g.height_out + row) * g.width_out + column) * g.channels + channel, sum);
    }
}

// Every position of the map gathers what it gave.
template <typename T>
__device__ __forceinline__ void of_map(const T *gradient, const T *weight, T *out, geometry g) {
    const int channel = blockIdx.x * CHANNELS + threadIdx.x;
    const int position = blockIdx.y * LANES + threadIdx.y;
    if (channel >= g.channels || position >= g.height * g.width) return;
    const int y = position / g.width, x = position % g.width;
    const T *image = gradient + (size_t)blockIdx.z * g.height_out * g.width_out * g.channels + channel;
    const T *taps = weight + (size_t)channel * g.kernel * g.kernel;
    float sum = 0.0f;
    for (int ky = 0; ky < g.kernel; ky++) {
        const int down = y + g.above - ky;
        if (down < 0 || down % g.stride || down / g.stride >= g.height_out) continue;
        for (int kx = 0; kx < g.kernel; kx++) {
            const int across = x + g.left - kx;
            if (across < 0 || across % g.stride || across / g.stride >= g.width_out) continue;
            const size_t from = ((size_t)(down / g.stride) * g.width_out + across / g.stride) * g.channels;
            sum = fmaf(get(image[from]), get(taps[ky * g.kernel + kx]), sum);
        }
    }
    put(out + ((size_t)blockIdx.z * g.height * g.width + position) * g.channels + channel, sum);
}

// A block sums PART positions of one tap: each warp every eighth of them, then the eight sums in their order. No atomics, so
// the same numbers give the same bits.
template <typename T>
__device__ __forceinline__ void of_weight(const T *gradient, const T *map, float *out, geometry g) {
    __shared__ float sums[LANES][CHANNELS];
    const int channel = blockIdx.x * CHANNELS + threadIdx.x;
    const int ky = blockIdx.y / g.kernel, kx = blockIdx.y % g.kernel;
    const long long positions = (long long)g.batch * g.height_out * g.width_out;
    const long long begin = (long long)blockIdx.z * PART;
    const long long end = begin + PART < positions ? begin + PART : positions;
    float sum = 0.0f;
    if (channel < g.channels) {
        for (long long position = begin + threadIdx.y; position < end; position += LANES) {
            const int column = position % g.width_out;
            const int row = position / g.width_out % g.height_out;
            const long long image = position / g.width_out / g.height_out;
            const int y = row * g.stride + ky - g.above, x = column * g.stride + kx - g.left;
            if (y < 0 || y >= g.height || x < 0 || x >= g.width) continue;
            const size_t from = (((size_t)image * g.height + y) * g.width + x) * g.channels + channel;
            sum = fmaf(get(gradient[(size_t)position * g.channels + channel]), get(map[from]), sum);
        }
    }
    sums[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y == 0 && channel < g.channels) {
        float total = 0.0f;
        for (int lane = 0; lane < LANES; lane++) total += sums[lane][threadIdx.x];
        out[((size_t)blockIdx.z * g.channels + channel) * g.kernel * g.kernel + blockIdx.y] = total;
    }
}

#define GEOMETRY                                                                                                          \
    int batch, int height, int width, int channels, int height_out, int width_out, int above, int left, int kernel,       \
        int stride
#define GIVEN                                                                                                             \
    geometry { batch, height, width, channels, height_out, width_out, above, left, kernel, stride }

#define SIZED(T, suffix, K, S)                                                                                            \
    extern "C" __global__ void forward_##suffix##_k##K##s##S(const T *map, const T *weight, const T *bias, T *out,        \
                                                             GEOMETRY) {                                                 \
        forward_sized<T, K, S>(map, weight, bias, out, GIVEN);                                                            \
    }

#define TYPED(T, suffix)                                                                                                  \
    SIZED(T, suffix, 3, 1)                                                                                                \
    SIZED(T, suffix, 3, 2)                                                                                                \
    SIZED(T, suffix, 5, 1)                                                                                                \
    SIZED(T, suffix, 5, 2)                                                                                                \
    SIZED(T, suffix, 7, 1)                                                                                                \
    SIZED(T, suffix, 7, 2)                                                                                                \
    extern "C" __global__ void forward_##suffix(const T *map, const T *weight, const T *bias, T *out, GEOMETRY) {         \
        forward_any<T>(map, weight, bias, out, GIVEN);                                                                    \
    }                                                                                                                     \
    extern "C" __global__ void gradient_of_map_##suffix(const T *gradient, const T *weight, T *out, GEOMETRY) {           \
        of_map<T>(gradient, weight, out, GIVEN);                                                                          \
    }                                                                                                                     \
    extern "C" __global__ void gradient_of_weight_##suffix(const T *gradient, const T *map, float *out, GEOMETRY) {       \
        of_weight<T>(gradient, map, out, GIVEN);                                                                          \
    }

TYPED(float, f32)
TYPED(half_bits, f16)
