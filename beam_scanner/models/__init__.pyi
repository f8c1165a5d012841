from beam_scanner.models.keras_models import KerasModelHandler as KerasModelHandler
from beam_scanner.models.letterboxes import Letterbox as Letterbox
from beam_scanner.models.onnx_models import OnnxModelHandler as OnnxModelHandler
from beam_scanner.models.saved_models import SavedModelHandler as SavedModelHandler
