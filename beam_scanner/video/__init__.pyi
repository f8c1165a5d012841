from beam_scanner.video.video_reader import VideoReader as VideoReader
from beam_scanner.video.video_reader import open as open
