"""What packets say in their headers, codec by codec.

Every codec answers the questions of
:class:`beam_scanner.video.bitstream.codec.Bitstream`: is a packet a keyframe, how many
pictures does it hold, what must a decoder be given besides it.
"""
