"""Every name, parameter and default that Scanner's documentation has, module by module.

A line is a name, with its parameters where it is called; names below a capital letter are
of that class, ``sc`` is a client, ``tools`` are the storages of ``scannertools`` and of
``scannertools_sql``. ``-`` says that the name only tells what to do instead.
"""

from __future__ import annotations

NAMES = """
Client
Config
Job
PerfParams
CacheMode
ColumnType
DeviceHandle
DeviceType
Database() -
FrameType
Kernel
KernelConfig
NamedStream
NamedVideoStream
NullElement
ScannerException
SliceList
protobufs
register_python_op
start_master
start_worker

client.Client(master=None, workers=None, start_cluster=True, config_path=None, config=None, debug=None, enable_watchdog=True, prefetch_table_metadata=True, no_workers_timeout=30, grpc_timeout=30, new_job_retries_limit=5, machine_params=None)
client.Client.load_op(so_path, proto_path=None)
client.Client.register_op(name, input_columns, output_columns, variadic_inputs=False, stencil=None, unbounded_state=False, bounded_state=None, proto_path=None)
client.Client.register_python_kernel(op_name, device_type, kernel, batch=1)
client.Client.ingest_videos(videos, inplace=False, force=False)
client.Client.has_table(name)
client.Client.delete_table(name)
client.Client.delete_tables(names)
client.Client.new_table(name, columns, rows, fns=None, force=False)
client.Client.table(name)
client.Client.sequence(name)
client.Client.summarize()
client.Client.get_profile(job_name, load_threads=8, subsample=None)
client.Client.get_active_jobs()
client.Client.wait_on_job(bulk_job_id, show_progress=True)
client.Client.wait_on_job_gen(bulk_job_id, show_progress=True)
client.Client.bulk_fetch_video_metadata(tables)
client.Client.batch_load(tables, column, callback, batch_size=1000, workers=16)
client.Client.has_gpu()
client.Client.start_master(master) -
client.Client.start_workers(workers) -
client.Client.stop_cluster()
client.Client.run(outputs, perf_params, cache_mode=CacheMode.Error, show_progress=True, profiling=False, task_timeout=0, checkpoint_frequency=10, detach=False, profiler_level=1)
client.start_master(port=None, config=None, config_path=None, block=False, watchdog=True, no_workers_timeout=30, new_job_retries_limit=5) -
client.start_worker(master_address, machine_params=None, port=None, config=None, config_path=None, block=False, watchdog=True, db=None) -
sc.config
sc.ops
sc.sources
sc.sinks
sc.streams
sc.partitioner
sc.io
sc.protobufs

config.Config(config_path=None, db_path=None)
config.Config.default_config()
config.Config.default_config_path()
config.mkdir_p(path)
config.read_line(s)
sc.config.config
sc.config.config_path
sc.config.db_path
sc.config.storage
sc.config.master_address
sc.config.master_port
sc.config.worker_port

job.Job(op_args)
job.Job.op_args()

common.CacheMode.Error
common.CacheMode.Ignore
common.CacheMode.Overwrite
common.ColumnType.Blob
common.ColumnType.Video
common.ColumnType.to_proto(protobufs, ty)
common.DeviceType.CPU
common.DeviceType.GPU
common.DeviceType.to_proto(protobufs, device)
common.DeviceHandle(device, device_id)
common.DeviceHandle.type
common.DeviceHandle.id
common.ScannerException
common.CustomFormatter
common.log
common.PerfParams(work_packet_size, io_packet_size, cpu_pool=None, gpu_pool=None, pipeline_instances_per_node=None, load_sparsity_threshold=8, queue_size_per_pipeline=4)
common.PerfParams.manual(work_packet_size, io_packet_size, **kwargs)
common.PerfParams.estimate(max_memory_util=0.7, total_memory=None, work_io_ratio=0.2, queue_size_per_pipeline=4, **kwargs)

op.OpGenerator(sc)
op.Op(sc, name, inputs, device, batch=-1, warmup=-1, stencil=[0], args={}, extra=None, stream_args=None)
op.Op.inputs()
op.Op.outputs()
op.Op.to_proto(indices) -
op.OpColumn
op.OpColumn.compress(codec='video', **kwargs)
op.OpColumn.compress_video(quality=-1, bitrate=-1, keyframe_distance=-1)
op.OpColumn.compress_default()
op.OpColumn.lossless()
op.SliceList
op.collect_per_stream_args(name, protobuf_name, kwargs)
op.register_module(so_path, proto_path=None)
op.check_modules(sc)
op.register_python_op(name=None, stencil=None, unbounded_state=False, bounded_state=None, device_type=None, device_sets=None, batch=1, proto_path=None)

types.Any
types.BlobType
types.FrameType
types.NumpyArrayFloat32.serialize(value)
types.NumpyArrayFloat32.deserialize(data)
types.NumpyArrayInt32.serialize(value)
types.NumpyArrayInt32.deserialize(data)
types.Histogram.serialize(value)
types.Histogram.deserialize(data)
types.Bbox.serialize(value)
types.Bbox.deserialize(data)
types.BboxList.serialize(value)
types.BboxList.deserialize(data)
types.Image.serialize(value)
types.Image.deserialize(data)
types.ProtobufType(name, proto)
types.VariableList(name, typ)
types.UniformList(name, typ, size=None, parts=None)
types.ScannerTypeInfo(type, cpp_name, serialize, deserialize)
types.register_type(cls)
types.get_type_info(ty)
types.get_type_info_cpp(name)

io.IOGenerator(sc)
sc.io.Input(streams)
sc.io.Output(op, streams)

streams.StreamsGenerator(sc)
streams.StreamsGenerator.Stride(input, strides)
streams.StreamsGenerator.StridedRanges(input, intervals, stride)
sc.streams.All(input)
sc.streams.Stride(input, strides)
sc.streams.Range(input, ranges)
sc.streams.Ranges(input, intervals)
sc.streams.StridedRange(input, ranges)
sc.streams.StridedRanges(input, intervals, stride)
sc.streams.Gather(input, indices)
sc.streams.Repeat(input, spacings)
sc.streams.RepeatNull(input, spacings)
sc.streams.Slice(input, partitions)
sc.streams.Unslice(input)

partitioner.TaskPartitioner(sc)
partitioner.TaskPartitioner.strided(stride, group_size=250)
partitioner.DEFAULT_GROUP_SIZE
sc.partitioner.all(group_size=250)
sc.partitioner.strided(stride, group_size=250)
sc.partitioner.range(start, end)
sc.partitioner.ranges(intervals)
sc.partitioner.strided_range(start, end, stride)
sc.partitioner.strided_ranges(intervals, stride)
sc.partitioner.gather(groups)

source.SourceGenerator(sc)
source.Source(sc, name, enumerator_args, source_args={})
source.Source.outputs()
source.Source.to_proto(indices) -
sc.sources.Column
sc.sources.FrameColumn
sc.sources.Sequence
sc.sources.FrameSequence

sink.SinkGenerator(sc)
sink.Sink(sc, name, inputs, job_args, sink_args={})
sink.Sink.inputs()
sink.Sink.to_proto(indices) -
sc.sinks.Column
sc.sinks.FrameColumn

sampler.Sampler(sc) -

storage.NullElement
storage.StoredStream.load_bytes(rows=None)
storage.StoredStream.storage()
storage.StoredStream.exists()
storage.StoredStream.committed()
storage.StoredStream.len()
storage.StoredStream.name()
storage.StoredStream.type()
storage.StoredStream.load(ty=None, fn=None, rows=None)
storage.StoredStream.delete(sc)
storage.StoredStream.estimate_size()
storage.StorageBackend.source(sc, streams)
storage.StorageBackend.sink(sc, op, streams)
storage.StorageBackend.delete(sc, streams)
storage.StorageBackend
storage.StoredStream
storage.NamedStorage(storage_config=None)
storage.NamedStorage.source(sc, streams)
storage.NamedStorage.sink(sc, op, streams)
storage.NamedStorage.delete(sc, streams)
storage.NamedStream(sc, name, storage=None)
storage.NamedVideoStorage(storage_config=None)
storage.NamedVideoStorage.ingest(sc, streams, batch=500)
storage.NamedVideoStorage.source(sc, streams)
storage.NamedVideoStorage.sink(sc, op, streams)
storage.NamedVideoStream(sc, name, path=None, inplace=False, storage=None)
storage.NamedVideoStream.as_hwang()
storage.NamedVideoStream.save_mp4(output_name, fps=None, scale=None)

table.Table(sc, name, id)
table.Table.id()
table.Table.name()
table.Table.num_rows()
table.Table.column_names()
table.Table.column(name)
table.Table.committed()
table.Table.exists()
table.Table.load(columns, fn=None, rows=None)
table.Table.profiler()
table.Table.parent_rows()

column.Column(table, name)
column.Column.id()
column.Column.name()
column.Column.type()
column.Column.keyframes()
column.Column.load(ty=None, fn=None, rows=None, workers=16)
column.Column.save_mp4(output_name, fps=None, scale=None)

kernel.Kernel(config, init_parameter=None)
kernel.Kernel.close()
kernel.Kernel.new_stream()
kernel.Kernel.reset()
kernel.Kernel.fetch_resources()
kernel.Kernel.setup_with_resources()
kernel.Kernel.execute
kernel.KernelConfig().devices
kernel.KernelConfig().input_columns
kernel.KernelConfig().input_column_types
kernel.KernelConfig().output_columns
kernel.KernelConfig().output_column_types
kernel.KernelConfig().args
kernel.KernelConfig().node_id
kernel.python_kernel_fn(n, recv_conn, send_conn, p_conn1, p_conn2) -

profiler.Profile(sc, job_id, load_threads=8, subsample=None)
profiler.Profile.write_trace(path)
profiler.Profile.statistics()
profiler.Profile.total_time_interval()
profiler.read_advance(fmt, buf, offset)
profiler.unpack_string(buf, offset)

protobuf_generator.protobufs
protobuf_generator.ProtobufGenerator()
protobuf_generator.analyze_proto(proto)
protobuf_generator.python_to_proto(proto_name, obj)
protobufs.protobufs
protobufs.ProtobufGenerator()
protobufs.ProtobufGenerator.add_module(path)
protobufs.analyze_proto(proto)
protobufs.python_to_proto(proto_name, obj)
protobufs.BoundingBox
protobufs.Point
protobufs.Frame
protobufs.SamplingArgs
protobufs.MachineParameters
sc.protobufs.BoundingBox
sc.protobufs.SamplingArgs
sc.protobufs.MachineParameters
sc.protobufs.add_module(path)

kube.CloudConfig(project, service_key, storage_key_id, storage_key_secret)
kube.MachineTypeName(name)
kube.MachineTypeName.get_name()
kube.MachineTypeName.get_cpu()
kube.MachineTypeName.get_mem()
kube.MachineTypeQuantity(cpu, mem)
kube.MachineTypeQuantity.get_name()
kube.MachineTypeQuantity.get_cpu()
kube.MachineTypeQuantity.get_mem()
kube.MachineConfig(image, type, disk, gpu=0, gpu_type='nvidia-tesla-p100', preemptible=False)
kube.ClusterConfig(id, num_workers, master, worker, zone='us-east1-b', kube_version='latest', num_load_workers=8, num_save_workers=8, autoscale=True, no_workers_timeout=600)
kube.Cluster(cloud_config, cluster_config, no_start=False, no_delete=False, containers=None)
kube.Cluster.start(reset=True, wait=True)
kube.Cluster.delete(prompt=False)
kube.Cluster.resize(size)
kube.Cluster.client(retries=3)
kube.Cluster.monitor(sc)
kube.Cluster.master_logs(previous=False)
kube.Cluster.worker_logs(n, previous=False)
kube.Cluster.healthy()
kube.Cluster.job_status()
kube.Cluster.resource_metrics()
kube.Cluster.get_credentials()
kube.Cluster.running(pool='default-pool')
kube.Cluster.trace(path, subsample=None, job=None)
kube.Cluster.cli()
kube.Cluster.config()
kube.Cluster.master_address()
kube.Cluster.get_kube_info(kind)
kube.Cluster.get_by_owner(ty, owner)
kube.Cluster.get_object(info, name)
kube.Cluster.get_pod(deployment)
kube.Cluster.create_object(template)
kube.Cluster.make_container(name, machine_config)
kube.Cluster.make_deployment(name, machine_config, replicas)
kube.ClusterConfig.price(no_master=False)
kube.MachineConfig.price()
kube.master() -
kube.worker()

util.download_temp_file(url, local_path=None, untar=False)
util.temp_directory()
util.sample_video(delete=True)
build_flags.get_include() -
build_flags.get_lib() -
build_flags.get_cmake() -
build_flags.get_compile_flags() -
build_flags.get_link_flags() -

AsyncVideo(base_port=9010)
AsyncVideo.from_video(video, frame_idxs=None, frames_per_chunk=64)
AsyncVideo.load_by_chunk(video, frame_idxs=None, frames_per_chunk=64)
AsyncVideo.chunks
AsyncVideo.close()

sc.ops.Blur(frame, kernel_size, sigma)
sc.ops.ConvertColor(frame, conversion)
sc.ops.Histogram(frame)
sc.ops.Resize(frame, width, height, min, preserve_aspect, interpolation)
sc.ops.OpticalFlow(frame)
sc.ops.Montage(frame, num_frames, target_width, frames_per_row)
sc.ops.ImageDecoder(img)
sc.ops.ImageEncoder(frame, format='png')
sc.ops.FrameDifference(frame)
sc.ops.Discard(ignore)
sc.ops.DiscardFrame(ignore)
sc.ops.InfoFromFrame(frame)
sc.ops.Pass(input)
sc.ops.ShotBoundaries(histograms)
sc.ops.DrawFlow(frame, flow)
sc.ops.DrawBboxes(frame, bboxes)
sc.ops.DetectObjects
sc.ops.TrackObjects(bboxes)
sc.ops.Brightness(frame)
sc.ops.Contrast(frame)
sc.ops.Sharpness(frame)
sc.ops.FlowHistogram(flow)
sc.sources.Files
sc.sources.Python
sc.sources.Audio
sc.sources.Captions
sc.sources.PackedFile
sc.sources.SQL
sc.sinks.Files
sc.sinks.SQL

tools.FilesStorage(storage_type='posix', bucket=None, region=None, endpoint=None)
tools.FilesStream(paths, storage=None)
tools.PythonStream(data)
tools.AudioStream(path, frame_size, storage=None)
tools.CaptionStream(path, window_size, max_time, storage=None)
tools.SQLStorage(config, job_table)
tools.SQLInputStream(query, filter, storage, num_elements=None)
tools.SQLOutputStream(table, job_name, storage, insert=True)
"""
