from beam_scanner.models.boxes import best_boxes as best_boxes
from beam_scanner.models.image_inputs import ImageInput as ImageInput
from beam_scanner.models.image_inputs import embedding_of as embedding_of
from beam_scanner.models.keras_models import KerasModelHandler as KerasModelHandler
from beam_scanner.models.letterboxes import Letterbox as Letterbox
from beam_scanner.models.onnx_models import OnnxModelHandler as OnnxModelHandler
from beam_scanner.models.saved_models import SavedModelHandler as SavedModelHandler
from beam_scanner.models.yolo import Yolo as Yolo
