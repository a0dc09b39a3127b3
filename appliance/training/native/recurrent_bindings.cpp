#include "recurrent_bindings.hpp"

#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

#include <stdexcept>
#include <string>

#include "recurrent_training.hpp"

namespace nb = nanobind;

namespace appliance::training {

namespace {

using Rows = nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using RowsOut = nb::ndarray<float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Values = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Room = nb::ndarray<float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using State = nb::ndarray<float, nb::ndim<3>, nb::c_contig, nb::device::cpu>;

constexpr size_t kMostFrames = 1u << 24, kMostItems = 1u << 16;

class PyRecurrent {
 public:
  PyRecurrent(const std::string& cell, int hidden, int inputs) : shape_{kind_of(cell), hidden, inputs} {
    if (hidden < 1 || hidden > 512 || inputs < 1 || inputs > 64)
      throw std::invalid_argument("there are no recurrent kernels of this size");
  }

  size_t saved_size(int items, int frames) const { return training::saved_size(shape_, items, frames); }

  void forward(const Rows& weights, const Values& head, const Rows& audio, const Rows& knobs, bool fresh,
               const State& state, const RowsOut& output, const Room& saved, int threads) const {
    const RecurrentPass pass = checked(weights, head, audio, knobs, saved);
    if (state.shape(0) != 2 || state.shape(1) != audio.shape(0) || state.shape(2) != static_cast<size_t>(shape_.hidden))
      throw std::invalid_argument("the state has another shape than 2 × items × hidden");
    expect_like(output.shape(0), output.shape(1), audio);
    const nb::gil_scoped_release unlocked;
    training::forward(shape_, pass, fresh, state.data(), output.data(), saved.data(), threads);
  }

  void backward(const Rows& weights, const Values& head, const Rows& audio, const Rows& knobs, const Rows& gradient,
                const Room& saved, const RowsOut& weight_gradient, const Room& head_gradient, int threads) const {
    const RecurrentPass pass = checked(weights, head, audio, knobs, saved);
    expect_like(gradient.shape(0), gradient.shape(1), audio);
    if (weight_gradient.shape(0) != weights.shape(0) || weight_gradient.shape(1) != weights.shape(1) ||
        head_gradient.size() != head.size())
      throw std::invalid_argument("the gradients have another shape than the weights");
    const nb::gil_scoped_release unlocked;
    training::backward(shape_, pass, gradient.data(), saved.data(), weight_gradient.data(), head_gradient.data(),
                       threads);
  }

 private:
  static RecurrentCell kind_of(const std::string& name) {
    if (name == "lstm") return RecurrentCell::kLstm;
    if (name == "gru") return RecurrentCell::kGru;
    throw std::invalid_argument("there are no recurrent kernels for " + name);
  }

  static void expect_like(size_t items, size_t frames, const Rows& audio) {
    if (items != audio.shape(0) || frames != audio.shape(1))
      throw std::invalid_argument("output or gradient have another shape than the audio");
  }

  RecurrentPass checked(const Rows& weights, const Values& head, const Rows& audio, const Rows& knobs,
                        const Room& saved) const {
    const size_t items = audio.shape(0), frames = audio.shape(1);
    if (items < 1 || items > kMostItems || frames < 1 || frames > kMostFrames)
      throw std::invalid_argument("the audio has a size that the kernels don't take");
    if (weights.shape(0) != 4u * shape_.hidden || weights.shape(1) != static_cast<size_t>(shape_.columns()))
      throw std::invalid_argument("the weights have another shape than 4·hidden × (hidden + inputs + 1)");
    if (head.size() != shape_.hidden + 1u) throw std::invalid_argument("the head has another size than hidden + 1");
    if (knobs.shape(0) != items || knobs.shape(1) != shape_.inputs - 1u)
      throw std::invalid_argument("the knobs have another shape than items × knobs");
    if (saved.size() < saved_size(static_cast<int>(items), static_cast<int>(frames)))
      throw std::invalid_argument("there is too little room for what is saved");
    return {weights.data(), head.data(), audio.data(), knobs.data(), static_cast<int>(items), static_cast<int>(frames)};
  }

  RecurrentShape shape_;
};

}  // namespace

void bind_recurrent(nb::module_& module) {
  nb::class_<PyRecurrent>(module, "Recurrent")
      .def(nb::init<const std::string&, int, int>(), nb::arg("cell"), nb::arg("hidden"), nb::arg("inputs"))
      .def("saved_size", &PyRecurrent::saved_size, nb::arg("items"), nb::arg("frames"))
      .def("forward", &PyRecurrent::forward, nb::arg("weights"), nb::arg("head"), nb::arg("audio"), nb::arg("knobs"),
           nb::arg("fresh"), nb::arg("state"), nb::arg("output"), nb::arg("saved"), nb::arg("threads"))
      .def("backward", &PyRecurrent::backward, nb::arg("weights"), nb::arg("head"), nb::arg("audio"), nb::arg("knobs"),
           nb::arg("gradient"), nb::arg("saved"), nb::arg("weight_gradient"), nb::arg("head_gradient"),
           nb::arg("threads"));
}

}  // namespace appliance::training
