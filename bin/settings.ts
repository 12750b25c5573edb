import { readFile } from 'node:fs/promises';
import type { ConnectionOptions } from 'nats';
import type { S3Settings } from '../infra/blob-store/s3-objects.ts';
import type { Configuration } from '../infra/configuration/schema.ts';
import type { EventStoreLogOptions } from '../infra/event-log/eventstoredb.ts';
import type { JetStreamLogOptions } from '../infra/event-log/jetstream.ts';
import type { JetStreamPublisherOptions } from '../infra/event-publisher/jetstream.ts';

type Section<Value> = NonNullable<Value>;

/** What the JetStream adapter is to be told. Rejects when a file that is named cannot be read. */
export async function jetStreamOptions(
  settings: Section<Configuration['event_log']['jetstream']>,
): Promise<JetStreamLogOptions> {
  const { servers = [], stream, replicas } = settings;
  return {
    servers,
    streamName: stream,
    ...(replicas !== undefined && { replicas }),
    connection: await natsLogin(settings),
  };
}

/** Who Shiplog is for NATS, and whom it trusts. Rejects when a file that is named cannot be read. */
async function natsLogin(
  settings: Section<Configuration['event_log']['jetstream']>,
): Promise<ConnectionOptions> {
  const { user, password, token, creds, nkey, tls } = settings;
  const { credsAuthenticator, nkeyAuthenticator } = await import('nats');
  return {
    ...(user !== undefined && { user }),
    ...(password !== undefined && { pass: password.reveal() }),
    ...(token !== undefined && { token: token.reveal() }),
    ...(creds !== undefined && { authenticator: credsAuthenticator(await readFile(creds)) }),
    ...(nkey !== undefined && { authenticator: nkeyAuthenticator(Buffer.from(nkey.reveal())) }),
    ...(tls !== undefined && {
      tls: {
        ...(tls.ca !== undefined && { caFile: tls.ca }),
        ...(tls.cert !== undefined && { certFile: tls.cert }),
        ...(tls.key !== undefined && { keyFile: tls.key }),
      },
    }),
  };
}

/** What the publisher of events is to be told. Rejects when a file that is named cannot be read. */
export async function publisherOptions(
  settings: Section<Configuration['events']['nats']>,
): Promise<JetStreamPublisherOptions> {
  const { servers = [], stream, subject_prefix, replicas, max_age, max_bytes } = settings;
  return {
    connection: { ...(await natsLogin(settings)), servers },
    streamName: stream,
    subjectPrefix: subject_prefix,
    replicas,
    maxAgeMs: max_age,
    maxBytes: max_bytes ?? -1,
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
