import { totalmem } from 'node:os';
import type { PostgresAddress } from './postgres-socket.ts';

/** PostgreSQL's parameters, handed over as arguments, so that a new release of Shiplog changes them on its own. */
export function postgresSettings(
  address: PostgresAddress,
  clusterName: string,
  logDirectory: string,
): Record<string, string> {
  return {
    cluster_name: clusterName,
    listen_addresses: address.socketDirectory === undefined ? address.host : '',
    unix_socket_directories: quoted(address.socketDirectory ?? ''),
    port: String(address.port),
    max_connections: '100',

    shared_buffers: totalmem() >= 4 * 1024 ** 3 ? '256MB' : '128MB',
    jit: 'off',
    // Parallel queries take memory in /dev/shm, of which a container has 64 MB, and fail where that runs out.
    max_parallel_workers_per_gather: '0',

    fsync: 'on',
    full_page_writes: 'on',
    synchronous_commit: 'on',
    wal_compression: 'on',
    max_wal_size: '2GB',
    checkpoint_timeout: '15min',
    checkpoint_completion_target: '0.9',
    // Nothing follows this server by its write-ahead log; rebuilt tables need not be written to it.
    wal_level: 'minimal',
    max_wal_senders: '0',
    max_logical_replication_workers: '0',

    timezone: 'UTC',
    log_timezone: 'UTC',
    lc_messages: 'C',
    log_destination: 'stderr',
    logging_collector: 'on',
    log_directory: logDirectory,
    // One file a weekday, begun anew a week later.
    log_filename: 'postgresql-%a.log',
    log_rotation_age: '1d',
    log_rotation_size: '0',
    log_truncate_on_rotation: 'on',
    log_line_prefix: '%m [%p] %a ',
    log_checkpoints: 'off',
  };
}

/** An element of a list of folders, in which a comma would separate two. */
const quoted = (folder: string): string => (folder === '' ? '' : `"${folder.replaceAll('"', '""')}"`);
