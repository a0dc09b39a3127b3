// How many multiply-adds this core can do at best: the measure for the share that the engine reaches.
#pragma once

namespace appliance {

// Billions of floating-point operations a second (a multiply-add is two), best of several short runs. Takes about 20
// ms.
double peak_gflops();

}  // namespace appliance
