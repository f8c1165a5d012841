"""Which of FFmpeg's formats are a video, or a sound, in one file.

Others are lists of further files and addresses, devices, scripts or texts. Opening one
of those may read or ask for anything, and what it shows changes without a change of
the file. A format that is not listed, as a new FFmpeg may bring, is not opened.
"""

from __future__ import annotations

_ONE_FILE = """
3dostr 3g2 3gp 4xm aa aac aax ac3 ac4 ace acm act adf adp ads adx aea afc aiff aix alaw
alias_pix alp amr amrnb amrwb anm apac apc ape apm apng aptx aptx_hd apv argo_asf
argo_brp argo_cvg asf asf_o ast au av1 avi avr avs avs2 avs3 bethsoftvid bfi bfstm
bin bink binka bit bitpacked bmp_pipe bmv boa bonk brender_pix brstm c93 caf
cavsvideo cdg cdxl cine codec2 codec2raw cri_pipe daud dcstr dds_pipe derf dfa dfpwm
dhav dirac dnxhd dpx_pipe dsf dsicin dss dts dtshd dv dxa ea ea_cdata eac3 epaf evc
exr_pipe f32be f32le f64be f64le film_cpk filmstrip fits flac flic flv frm fsb fwse
g722 g723_1 g726 g726le g728 g729 gdv gem_pipe genh gif gif_pipe gsm gxf h261 h263
h264 hca hcom hdr_pipe hevc hnm hxvs iamf ico idcin idf iff ifv ilbc image2pipe
ingenient ipmovie ipu ircam iss iv8 ivf ivr j2k_pipe jpeg_pipe jpegls_pipe
jpegxl_anim jpegxl_pipe jpegxs_pipe jv kux kvag laf lc3 live_flv lmlm4 loas luodat
lvf lxf m4v matroska mca mgsts mjpeg mjpeg_2000 mlp mlv mm mmf mods moflex mov mp3 mp4
mpc mpc8 mpeg mpegts mpegtsraw mpegvideo mpjpeg msf msnwctcp msp mtaf mtv mulaw musx
mv mvi mxf mxg nc nistsphere nsp nsv nut nuv obu ogg oma osq paf pam_pipe pbm_pipe
pcx_pipe pdv pfm_pipe pgm_pipe pgmyuv_pipe pgx_pipe phm_pipe photocd_pipe
pictor_pipe pmp png_pipe pp_bnk ppm_pipe psd_pipe psxstr pva pvf qcp qdraw_pipe qoa
qoi_pipe r3d rawvideo redspark rka rl2 rm roq rpl rsd rso s16be s16le s24be s24le
s32be s32le s337m s8 sbc scd sdns sdr2 sds sdx ser sga sgi_pipe shn siff
simbiosis_imx sln smjpeg smk smush sol sox spdif sunrast_pipe svag svs swf tak thp
tiertexseq tiff_pipe tmv truehd tta txd ty u16be u16le u24be u24le u32be u32le u8
usm v210 v210x vag vbn_pipe vc1 vc1test vidc vividas vivo vmd voc vpk vqf vvc w64
wady wav wavarc wc3movie webm webp_pipe wsaud wsd wsvqa wtv wv wve xa xbin xbm_pipe xmd
xmv xpm_pipe xvag xwd_pipe xwma yop yuv4mpegpipe
"""

FORMAT_WHITELIST = ",".join(_ONE_FILE.split())
"""FFmpeg's option ``format_whitelist``: formats whose files hold all that they show."""
