// A plugin for qemu-aarch64 that counts how often each block of instructions ran:
//   qemu-aarch64 -plugin ./insn_counter.so,counts=FILE PROGRAM …
// FILE gets one line a translated block: address (hex), instructions, times run. The same address may come twice.
//
// Debian ships no header for plugins, so the few functions are declared here, as QEMU documents them; they are the same
// in every version of the interface. PLUGIN_API is the version that the installed QEMU accepts.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <deque>
#include <string>

struct qemu_plugin_tb;
struct qemu_info_t;
using PluginId = uint64_t;

extern "C" {
__attribute__((visibility("default"))) int qemu_plugin_version = PLUGIN_API;

void qemu_plugin_register_vcpu_tb_trans_cb(PluginId id, void (*called)(PluginId, qemu_plugin_tb*));
void qemu_plugin_register_vcpu_tb_exec_cb(qemu_plugin_tb* block, void (*called)(unsigned, void*), int flags,
                                          void* data);
void qemu_plugin_register_atexit_cb(PluginId id, void (*called)(PluginId, void*), void* data);
size_t qemu_plugin_tb_n_insns(const qemu_plugin_tb* block);
uint64_t qemu_plugin_tb_vaddr(const qemu_plugin_tb* block);
}

namespace {

struct Block {
  uint64_t address;
  size_t instructions;
  uint64_t times;
};

std::deque<Block> blocks;  // a deque, so that what was given out stays where it is
std::string path;

void count(unsigned, void* block) {
  ++static_cast<Block*>(block)->times;
}

void translated(PluginId, qemu_plugin_tb* block) {
  blocks.push_back({qemu_plugin_tb_vaddr(block), qemu_plugin_tb_n_insns(block), 0});
  qemu_plugin_register_vcpu_tb_exec_cb(block, count, 0, &blocks.back());
}

void write_down(PluginId, void*) {
  std::FILE* file = std::fopen(path.c_str(), "w");
  if (file == nullptr) return;
  for (const Block& block : blocks)
    std::fprintf(file, "%llx %zu %llu\n", static_cast<unsigned long long>(block.address), block.instructions,
                 static_cast<unsigned long long>(block.times));
  std::fclose(file);
}

}  // namespace

extern "C" __attribute__((visibility("default"))) int qemu_plugin_install(PluginId id, const qemu_info_t*, int count,
                                                                          char** arguments) {
  if (count != 1 || std::strncmp(arguments[0], "counts=", 7) != 0) return 1;
  path = arguments[0] + 7;
  qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
  qemu_plugin_register_atexit_cb(id, write_down, nullptr);
  return 0;
}
