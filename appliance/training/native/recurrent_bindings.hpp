// The recurrent kernels' share of the Python module.
#pragma once

#include <nanobind/nanobind.h>

namespace appliance::training {

void bind_recurrent(nanobind::module_& module);

}  // namespace appliance::training
