import { readFile } from 'node:fs/promises';
import type { S3Settings } from '../infra/blob-store/s3-objects.ts';
import type { Configuration } from '../infra/configuration/schema.ts';
import type { EventStoreLogOptions } from '../infra/event-log/eventstoredb.ts';
import type { JetStreamLogOptions } from '../infra/event-log/jetstream.ts';

type Section<Value> = NonNullable<Value>;

/** What the JetStream adapter is to be told. Rejects when a file that is named cannot be read. */
export async function jetStreamOptions(
  settings: Section<Configuration['event_log']['jetstream']>,
): Promise<JetStreamLogOptions> {
  const { servers = [], stream, replicas, user, password, token, creds, tls } = settings;
  const { credsAuthenticator } = await import('nats');
  return {
    servers,
    streamName: stream,
    ...(replicas !== undefined && { replicas }),
    connection: {
      ...(user !== undefined && { user }),
      ...(password !== undefined && { pass: password.reveal() }),
      ...(token !== undefined && { token: token.reveal() }),
      ...(creds !== undefined && { authenticator: credsAuthenticator(await readFile(creds)) }),
      ...(tls !== undefined && {
        tls: {
          ...(tls.ca !== undefined && { caFile: tls.ca }),
          ...(tls.cert !== undefined && { certFile: tls.cert }),
          ...(tls.key !== undefined && { keyFile: tls.key }),
        },
      }),
    },
  };
}

export const eventStoreOptions = (
  settings: Section<Configuration['event_log']['eventstoredb']>,
): EventStoreLogOptions => ({ connectionString: settings.url?.reveal() ?? '' });

/**
 * What the S3 adapter is to be told: Amazon's endpoint of the region unless another one is named. Rejects when the
 * file of `ca_bundle` cannot be read.
 */
export async function s3Settings(
  settings: Section<Configuration['storage_service']['s3']>,
  caBundle: string | undefined,
): Promise<S3Settings> {
  const { regionendpoint, region, bucket, secure, forcepathstyle, chunksize } = settings;
  const { accesskey, secretkey, sessiontoken, rootdirectory = '' } = settings;
  const [, scheme, endpoint] = /^(?:(https?):\/\/)?([^/]+)\/?$/i.exec(regionendpoint ?? '') ?? [];
  const folder = rootdirectory.replace(/^\/+|\/+$/g, '');
  return {
    endpoint: endpoint ?? `s3.${region}.amazonaws.com`,
    region,
    bucket,
    accessKey: accesskey?.reveal() ?? '',
    secretKey: secretkey?.reveal() ?? '',
    ...(sessiontoken !== undefined && { sessionToken: sessiontoken.reveal() }),
    secure: scheme === undefined ? secure : scheme.toLowerCase() === 'https',
    ...(caBundle !== undefined && { ca: await readFile(caBundle, 'utf8') }),
    pathStyle: forcepathstyle,
    prefix: folder === '' ? '' : `${folder}/`,
    partSize: chunksize,
  };
}
