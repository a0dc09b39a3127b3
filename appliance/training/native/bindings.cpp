// The Python face of the training kernels (types: ../_kernels.pyi).
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "recurrent_bindings.hpp"
#include "wavenet_training.hpp"

namespace nb = nanobind;
using namespace appliance;
using namespace appliance::training;

namespace {

using Rows = nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using RowsOut = nb::ndarray<float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Room = nb::ndarray<float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

class PyWaveNet {
 public:
  PyWaveNet(const std::vector<int>& layout, const std::string& activation, float slope, float head_scale)
      : kernels_(Plan::make(layout, kind_of(activation), slope, head_scale)) {}

  int past_frames() const { return kernels_.plan().past; }
  size_t weight_count() const { return kernels_.plan().weights; }
  size_t saved_size(int audio_frames) const { return kernels_.saved_size(audio_frames); }

  void forward(const Rows& weights, const Rows& audio, const RowsOut& output, const std::optional<Room>& saved,
               int threads) const {
    const Batch batch(*this, weights, audio, output.shape(0), output.shape(1), saved ? saved->size() : 0, !!saved);
    const nb::gil_scoped_release unlocked;
    kernels_.forward(weights.data(), batch.weight_stride, audio.data(), batch.items, batch.frames, output.data(),
                     saved ? saved->data() : nullptr, threads);
  }

  void backward(const Rows& weights, const Rows& audio, const Room& saved, const Rows& gradient,
                const RowsOut& weight_gradients, int threads) const {
    const Batch batch(*this, weights, audio, gradient.shape(0), gradient.shape(1), saved.size(), true);
    if (weight_gradients.shape(0) != audio.shape(0) || weight_gradients.shape(1) != weight_count())
      throw std::invalid_argument("the weights' gradients have another shape than items × weights");
    const nb::gil_scoped_release unlocked;
    kernels_.backward(weights.data(), batch.weight_stride, audio.data(), batch.items, batch.frames, saved.data(),
                      gradient.data(), weight_gradients.data(), threads);
  }

 private:
  // Checks that all arrays fit each other.
  struct Batch {
    int items;
    int frames;
    size_t weight_stride;

    Batch(const PyWaveNet& net, const Rows& weights, const Rows& audio, size_t output_items, size_t output_frames,
          size_t saved, bool saves)
        : items(static_cast<int>(audio.shape(0))),
          frames(static_cast<int>(audio.shape(1))),
          weight_stride(weights.shape(0) == 1 ? 0 : net.weight_count()) {
      if (audio.shape(1) > (1u << 28)) throw std::invalid_argument("the audio is too long for the kernels");
      if (frames <= net.past_frames())
        throw std::invalid_argument("the audio has " + std::to_string(frames) + " frames, more than " +
                                    std::to_string(net.past_frames()) + " were wanted");
      if (weights.shape(1) != net.weight_count() || (weights.shape(0) != 1 && weights.shape(0) != audio.shape(0)))
        throw std::invalid_argument("the weights have another shape than (1 or items) × " +
                                    std::to_string(net.weight_count()));
      if (output_items != audio.shape(0) ||
          output_frames != static_cast<size_t>(frames) - static_cast<size_t>(net.past_frames()))
        throw std::invalid_argument("the output has another shape than items × (frames - past frames)");
      if (saves && saved < audio.shape(0) * net.saved_size(frames))
        throw std::invalid_argument("there is too little room for the activations");
    }
  };

  static Act kind_of(const std::string& name) {
    if (name == "tanh") return Act::kTanh;
    if (name == "leakyrelu") return Act::kLeakyRelu;
    throw UnknownShape("there are no training kernels for the activation " + name);
  }

  WaveNetTraining kernels_;
};

}  // namespace

NB_MODULE(_kernels, module) {
  nb::exception<UnknownShape>(module, "UnknownShape", PyExc_ValueError);
  bind_recurrent(module);
  nb::class_<PyWaveNet>(module, "WaveNet")
      .def(nb::init<const std::vector<int>&, const std::string&, float, float>(), nb::arg("layout"),
           nb::arg("activation"), nb::arg("slope"), nb::arg("head_scale"))
      .def_prop_ro("past_frames", &PyWaveNet::past_frames)
      .def_prop_ro("weight_count", &PyWaveNet::weight_count)
      .def("saved_size", &PyWaveNet::saved_size, nb::arg("audio_frames"))
      .def("forward", &PyWaveNet::forward, nb::arg("weights"), nb::arg("audio"), nb::arg("output"),
           nb::arg("saved").none(), nb::arg("threads"))
      .def("backward", &PyWaveNet::backward, nb::arg("weights"), nb::arg("audio"), nb::arg("saved"),
           nb::arg("gradient"), nb::arg("weight_gradients"), nb::arg("threads"));
}
