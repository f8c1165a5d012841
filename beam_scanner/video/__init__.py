"""Exact frames: an index of a video file, a decoder that obeys it, an encoder.

Nothing here imports FFmpeg until a video is opened, so descriptions of videos can
be planned with and shipped about cheaply.
"""
