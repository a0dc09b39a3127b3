// What only few WaveNets have in their layers: modulation by the condition signal (FiLM), and a 1x1 of the layer's own
// between its activation and the head sum. Layers with any of it take the general path.
#pragma once

#include <array>
#include <vector>

#include "blob.hpp"
#include "convolution.hpp"
#include "history.hpp"

namespace appliance {

// scale(c)·x + shift(c), both linear in the condition signal c.
struct Film {
  int channels = 0;  // 0: none here
  bool has_shift = false;
  std::vector<float> weight;  // [channels, or twice as many with the shift behind][conditions]
  std::vector<float> bias;

  explicit operator bool() const { return channels != 0; }

  static Film read(BlobReader& blob, int channels, int conditions) {
    const int rows = blob.integer("modulation rows", 1, 4 * kMaxChannels);
    if (rows != channels && rows != 2 * channels) throw BadBlob("prepared model: a modulation fits no channels");
    Film film;
    film.channels = channels;
    film.has_shift = rows != channels;
    film.weight = blob.floats(static_cast<size_t>(rows) * conditions);
    film.bias = blob.floats(rows);
    return film;
  }
};

// In the order of FILM_NAMES in formats/description.py.
enum class Place { kConvPre, kConvPost, kMixinPre, kMixinPost, kActivationPre, kActivationPost, kOutPost, kHeadPost };
constexpr int kPlaces = 8;

struct LayerExtras {
  std::array<Film, kPlaces> films;
  bool has_head = false;
  PackedConvolution head;  // B → head sum, one tap
  History input;           // the layer's input as it was, where the convolution reads a modulated one

  const Film& at(Place place) const { return films[static_cast<size_t>(place)]; }
  bool modulates_input() const { return static_cast<bool>(at(Place::kConvPre)); }
};

}  // namespace appliance
