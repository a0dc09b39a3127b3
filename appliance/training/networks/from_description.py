"""A network that goes on from a finished model's weights, for fine-tuning."""

from __future__ import annotations

from appliance.errors import UnsupportedModel
from appliance.formats.description import Description, Recurrent, WaveNet
from appliance.formats.folding import without_gains
from appliance.training.contract import Network
from appliance.training.networks.recurrent import RecurrentNetwork
from appliance.training.networks.wavenet import WaveNetNetwork


def network_from(description: Description) -> Network:
    """The network of a model, ready to be trained further; gains beside the network go into its weights.

    The initial state of a recurrent model is dropped. Raises UnsupportedModel for a network that can't be trained here.
    """
    architecture = without_gains(description).architecture
    try:
        if isinstance(architecture, Recurrent):
            return RecurrentNetwork.from_architecture(architecture, description.knobs)
        if isinstance(architecture, WaveNet):
            return WaveNetNetwork.from_architecture(architecture, description.knobs)
    except ValueError as error:
        raise UnsupportedModel(f"{description.name} can't be trained further: {error}.") from error
    raise UnsupportedModel(
        f"{description.name} can't be trained further: only LSTM, GRU and WaveNet models can. Train a new one."
    )
