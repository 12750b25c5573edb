import type { TestContext } from 'node:test';
import { startMinio } from '../minio-server.ts';
import { type S3Proxy, startProxy } from '../s3-proxy.ts';
import { startServer, type TestServer } from '../server.ts';
import { requireTool } from '../tool.ts';

export interface ServerOnS3 {
  readonly server: TestServer;
  /** The `<host>:<port>` that the server has been told. */
  readonly endpoint: string;
  /** Stands between the server and its bucket. */
  readonly proxy: S3Proxy;
}

/** A server whose blobs are in a bucket, reached through a proxy; undefined where there is no MinIO to run. */
export async function startOnS3(
  t: TestContext,
  environment: NodeJS.ProcessEnv = {},
): Promise<ServerOnS3 | undefined> {
  const program = requireTool(t, 'minio');
  if (program === undefined) return undefined;
  const stops: (() => Promise<void>)[] = [];
  // The server first, which still needs the bucket to stop.
  t.after(async () => {
    for (const stop of stops.reverse()) await stop();
  });
  const minio = await startMinio(program);
  stops.push(() => minio.stop());
  const { bucket, region, accessKey, secretKey } = minio.settings;
  const proxy = await startProxy(minio.settings.endpoint);
  stops.push(() => proxy.stop());
  const server = await startServer(
    { after: (stop) => stops.push(stop) },
    {
      environment: {
        SHIPLOG_STORAGE_SERVICE_S3_REGIONENDPOINT: `http://${proxy.endpoint}`,
        SHIPLOG_STORAGE_SERVICE_S3_BUCKET: bucket,
        SHIPLOG_STORAGE_SERVICE_S3_REGION: region,
        SHIPLOG_STORAGE_SERVICE_S3_ACCESSKEY: accessKey,
        SHIPLOG_STORAGE_SERVICE_S3_SECRETKEY: secretKey,
        ...environment,
      },
    },
  );
  return { server, endpoint: proxy.endpoint, proxy };
}
