// Runs the kernels of depthwise.cu one thread after the other where no GPU is: their indices and sums are what can be wrong
// in them, and those are the same here. Compiled in front of and behind the kernels' source; see `emulator.rs`.
//
// Arguments: kernel, grid x y z, the ten numbers of the geometry, values of up to three inputs (0: none) and of the output.
// Inputs come on the standard input, the output goes to the standard output, both as they lie in memory.

#ifdef PROLOGUE
#include <barrier>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <thread>
#include <vector>

#define __device__
#define __global__
#define __forceinline__ inline
#define __shared__ static
struct place { unsigned x, y, z; };
static thread_local place blockIdx, threadIdx;
static std::barrier<> *together;
static void __syncthreads() { together->arrive_and_wait(); }

static float wide_of(unsigned short bits) {
    _Float16 value;
    memcpy(&value, &bits, 2);
    return value;
}
static unsigned short bits_of(float wide) {
    _Float16 value = wide;
    unsigned short bits;
    memcpy(&bits, &value, 2);
    return bits;
}
#else
using bytes = std::vector<char>;
using kernel = void (*)(bytes *in, bytes &out, int *g);

#define NUMBERS g[0], g[1], g[2], g[3], g[4], g[5], g[6], g[7], g[8], g[9]
#define AT(T, from) ((T *)(from).data())
#define FORWARD(T, name) \
    { #name, [](bytes *in, bytes &out, int *g) { name(AT(T, in[0]), AT(T, in[1]), AT(T, in[2]), AT(T, out), NUMBERS); } }
#define BACKWARD(T, O, name) \
    { #name, [](bytes *in, bytes &out, int *g) { name(AT(T, in[0]), AT(T, in[1]), AT(O, out), NUMBERS); } }
#define ALL(T, s) \
    FORWARD(T, forward_##s##_k3s1), FORWARD(T, forward_##s##_k3s2), FORWARD(T, forward_##s##_k5s1), \
    FORWARD(T, forward_##s##_k5s2), FORWARD(T, forward_##s##_k7s1), FORWARD(T, forward_##s##_k7s2), \
    FORWARD(T, forward_##s), BACKWARD(T, T, gradient_of_map_##s), BACKWARD(T, float, gradient_of_weight_##s)

int main(int argc, char **argv) {
    const std::map<std::string, kernel> kernels = {ALL(float, f32), ALL(half_bits, f16)};
    if (argc != 19) return 2;
    const std::string name = argv[1];
    const auto run = kernels.at(name);
    std::vector<int> n;
    for (int i = 2; i < argc; i++) n.push_back(atoi(argv[i]));
    const size_t size = name.find("f16") != std::string::npos ? 2 : 4;
    bytes in[3], out(n[16] * (name.find("of_weight") != std::string::npos ? 4 : size), 0x7f);
    for (int i = 0; i < 3; i++) {
        in[i].resize(n[13 + i] * size);
        if (fread(in[i].data(), 1, in[i].size(), stdin) != in[i].size()) return 3;
    }
    // Those that wait for one another need threads; the others are faster in one.
    const bool waits = name.find("of_weight") != std::string::npos;
    std::barrier<> all(CHANNELS * LANES);
    together = &all;
    const auto blocks = [&](auto &&each) {
        for (unsigned z = 0; z < (unsigned)n[2]; z++)
            for (unsigned y = 0; y < (unsigned)n[1]; y++)
                for (unsigned x = 0; x < (unsigned)n[0]; x++) each(place{x, y, z});
    };
    const auto thread_at = [&](unsigned x, unsigned y) {
        blocks([&](place block) {
            blockIdx = block, threadIdx = place{x, y, 0};
            run(in, out, n.data() + 3);
            // The next block has the shared memory of this one.
            if (waits) __syncthreads();
        });
    };
    std::vector<std::thread> threads;
    for (unsigned y = 0; y < LANES; y++)
        for (unsigned x = 0; x < CHANNELS; x++) {
            if (waits) threads.emplace_back(thread_at, x, y);
            else thread_at(x, y);
        }
    for (auto &thread : threads) thread.join();
    return fwrite(out.data(), 1, out.size(), stdout) == out.size() ? 0 : 4;
}
#endif
