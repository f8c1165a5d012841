from beam_scanner.data.async_video import AsyncVideo as AsyncVideo
from beam_scanner.data.frames import Frames as Frames
