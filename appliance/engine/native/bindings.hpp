// What the parts of the Python face share. One part per reason: bindings.cpp the chain, bindings_models.cpp models
// alone, bindings_demo_card.cpp the demo card, bindings_convolutions.cpp what the cabinet's bench takes apart.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstddef>
#include <cstdint>

#include "pedal.hpp"

namespace nb = nanobind;

using Audio = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Block = nb::ndarray<nb::numpy, float, nb::ndim<1>>;

// Any object with the buffer protocol, held while this lives.
class Bytes {
 public:
  Bytes(nb::handle object, bool writable) {
    if (PyObject_GetBuffer(object.ptr(), &view_, writable ? PyBUF_WRITABLE : PyBUF_SIMPLE) != 0)
      throw nb::python_error();
  }
  ~Bytes() { PyBuffer_Release(&view_); }
  Bytes(const Bytes&) = delete;
  Bytes& operator=(const Bytes&) = delete;

  uint8_t* data() const { return static_cast<uint8_t*>(view_.buf); }
  size_t size() const { return static_cast<size_t>(view_.len); }

 private:
  Py_buffer view_{};
};

inline Block new_block(size_t frames) {
  auto* data = new float[frames]();
  nb::capsule owner(data, [](void* pointer) noexcept { delete[] static_cast<float*>(pointer); });
  return Block(data, {frames}, owner);
}

// The compiled pedal inside a Python `Pedal`. Throws nb::cast_error for anything else.
appliance::Pedal& pedal_of(nb::handle python_pedal);

void bind_models(nb::module_& module);
void bind_demo_card(nb::module_& module);
void bind_convolutions(nb::module_& module);
