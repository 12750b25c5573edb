import http from 'node:http';
import https from 'node:https';
import { setTimeout as wait } from 'node:timers/promises';
import { rootCertificates } from 'node:tls';
import { Client } from 'minio';
import { BlobNotFound, StoreFull, StoreUnavailable, UploadNotFound } from './port.ts';

export interface S3Settings {
  /** `<host>` or `<host>:<port>`. */
  readonly endpoint: string;
  readonly region: string;
  readonly bucket: string;
  readonly accessKey: string;
  readonly secretKey: string;
  /** Of credentials that are valid for a time. */
  readonly sessionToken?: string;
  /** Whether to speak TLS. */
  readonly secure: boolean;
  /** Authorities, PEM, that may sign the store's certificate besides those of the system. */
  readonly ca?: string;
  /** Whether the bucket is part of the path, as it is by default, or of the host name, as at Amazon's always. */
  readonly pathStyle?: boolean;
  /** What the names of all objects begin with; empty, or ending in a slash. */
  readonly prefix: string;
  /** Bytes, 5 MiB to 5 GiB, 8 MiB where it is not given. An upload holds up to two parts in memory. */
  readonly partSize?: number;
  /** How long a connection may be silent. */
  readonly timeoutMs?: number;
  /** How often a running request marks its upload as alive. */
  readonly heartbeatMs?: number;
}

export interface StoredObject {
  readonly name: string;
  readonly size: number;
  readonly lastModified: Date;
}

/** The answers that the client turns into an error without reading them. */
const unread = new Set([408, 429, 499, 500, 502, 503, 504, 520]);
const passing = new Set([
  ...['ECONNRESET', 'ECONNREFUSED', 'EPIPE', 'ETIMEDOUT', 'EAI_AGAIN'],
  ...['SlowDown', 'InternalError', 'RequestTimeout', 'ServiceUnavailable'],
  // MinIO says so as well when the last object beside a new one is deleted at that moment, with their folder.
  'AccessDenied',
]);
const attempts = 4;

/** S3 may fail after it has said 200; the client then throws the element of the body that tells why, as it is. */
interface Told {
  readonly code?: string;
  readonly Code?: string;
  readonly message?: string;
  readonly Message?: string;
}
const codeOf = (error: unknown): string => {
  const { code, Code = '' } = (error ?? {}) as Told;
  return code ?? Code;
};
const messageOf = (error: unknown): string => {
  const { message, Message = String(error) } = (error ?? {}) as Told;
  return message ?? Message;
};

/** Whether the same request may fare better soon. */
const passes = (error: unknown): boolean =>
  passing.has(codeOf(error)) || (error instanceof Error && error.message.startsWith('Request failed after'));

/** Turns an error of the S3 client into the port's; the caller says what it was that it did not find. */
export function s3Failure(cause: unknown): Error {
  switch (codeOf(cause)) {
    case 'NoSuchKey':
    case 'NotFound':
      return new BlobNotFound('there is no such object', { cause });
    case 'NoSuchUpload':
    // Another process wrote over a part of this upload, which nobody can finish now.
    case 'InvalidPart':
      return new UploadNotFound('there is no such multipart upload', { cause });
    case 'XMinioStorageFull':
    case 'XMinioAdminBucketQuotaExceeded':
    case 'QuotaExceeded':
      return new StoreFull('the store or its quota is full', { cause });
    default:
      return new StoreUnavailable(`the store failed: ${messageOf(cause)}`, { cause });
  }
}

export type S3Objects = ReturnType<typeof connectObjects>;

/** The few requests that the store makes, each with the port's errors; those that may be repeated are. */
export function connectObjects(settings: S3Settings) {
  const { bucket, prefix, secure, ca, region, accessKey, secretKey, timeoutMs = 60_000 } = settings;
  const { sessionToken, pathStyle, partSize } = settings;
  const { hostname, port } = new URL(`${secure ? 'https' : 'http'}://${settings.endpoint}`);
  const trust = ca === undefined ? {} : { ca: [...rootCertificates, ca] };
  const agent = secure ? new https.Agent({ keepAlive: true, ...trust }) : new http.Agent({ keepAlive: true });
  const client = new Client({
    endPoint: hostname,
    ...(port !== '' && { port: Number(port) }),
    useSSL: secure,
    ...{ region, accessKey, secretKey },
    ...(sessionToken !== undefined && { sessionToken }),
    ...(pathStyle !== undefined && { pathStyle }),
    ...(partSize !== undefined && { partSize }),
    transport: { request: requestWithTimeout(secure ? https.request : http.request, timeoutMs) },
    transportAgent: agent,
    // Its own retries write to the console and also repeat what must not be repeated.
    retryOptions: { disableRetry: true },
  });

  async function once<Result>(send: () => Promise<Result>): Promise<Result> {
    try {
      return await send();
    } catch (error) {
      throw s3Failure(error);
    }
  }

  /** For requests that have the same effect when they are made twice. */
  async function repeatedly<Result>(send: () => Promise<Result>): Promise<Result> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await send();
      } catch (error) {
        if (attempt === attempts || !passes(error)) throw s3Failure(error);
        await wait(100 * 2 ** attempt * (0.5 + Math.random()));
      }
    }
  }

  return {
    async check(): Promise<void> {
      if (!(await repeatedly(() => client.bucketExists(bucket))))
        throw new StoreUnavailable(`there is no bucket ${bucket}`);
    },

    /** Stores `body`, at most one part, whole or not at all. */
    async put(name: string, body: Buffer): Promise<void> {
      await repeatedly(() => client.putObject(bucket, prefix + name, body, body.length));
    },

    /** A small object, whole. @throws BlobNotFound */
    get: (name: string): Promise<Buffer> =>
      repeatedly(async () => {
        const chunks: Buffer[] = [];
        for await (const chunk of await client.getObject(bucket, prefix + name)) chunks.push(chunk);
        return Buffer.concat(chunks);
      }),

    /** The answer to a GET, unread, and the bytes that it announces. @throws BlobNotFound */
    async read(name: string, range?: { readonly start: number; readonly end: number }) {
      const body = (await repeatedly(() =>
        range
          ? client.getPartialObject(bucket, prefix + name, range.start, range.end - range.start + 1)
          : client.getObject(bucket, prefix + name),
      )) as http.IncomingMessage;
      return { body, length: Number(body.headers['content-length']) };
    },

    /** Bytes. @throws BlobNotFound */
    size: async (name: string): Promise<number> =>
      (await repeatedly(() => client.statObject(bucket, prefix + name))).size,

    /** A signed URL for one method. Asks nobody: the region is known. */
    presign: (name: string, method: 'GET' | 'HEAD', expiresInSeconds: number): Promise<string> =>
      once(() => client.presignedUrl(method, bucket, prefix + name, expiresInSeconds)),

    remove: (name: string): Promise<void> => repeatedly(() => client.removeObject(bucket, prefix + name)),

    /** What has a name that begins with `start`, in the order of the names. */
    async *list(start: string): AsyncGenerator<StoredObject> {
      let next = '';
      do {
        // Page by page, since the client's own stream can not repeat a request.
        const page = await repeatedly(() =>
          client.listObjectsV2Query(bucket, prefix + start, next, '', 1000, ''),
        );
        for (const { name, size, lastModified } of page.objects)
          if (name !== undefined && lastModified)
            yield { name: String(name).slice(prefix.length), size, lastModified };
        next = page.isTruncated ? String(page.nextContinuationToken) : '';
      } while (next !== '');
    },

    beginParts: (name: string): Promise<string> =>
      once(() => client.initiateNewMultipartUpload(bucket, prefix + name, {})),

    /** The newest multipart upload of `name` that is neither completed nor aborted. */
    findParts: (name: string): Promise<string | undefined> =>
      repeatedly(() => client.findUploadId(bucket, prefix + name)),

    /** Resolves to the part's ETag. @throws UploadNotFound */
    putPart: async (name: string, id: string, number: number, body: Buffer): Promise<string> =>
      (
        await repeatedly(() =>
          client.uploadPart(
            {
              bucketName: bucket,
              objectName: prefix + name,
              uploadID: encodeURIComponent(id),
              partNumber: number,
              headers: {},
            },
            body,
          ),
        )
      ).etag,

    /** @throws UploadNotFound also when an earlier request, whose answer was lost, has completed it. */
    async completeParts(name: string, id: string, etags: readonly string[]): Promise<void> {
      const parts = etags.map((etag, index) => ({ part: index + 1, etag }));
      await repeatedly(() => client.completeMultipartUpload(bucket, prefix + name, id, parts));
    },

    /** @throws UploadNotFound */
    abortParts: (name: string, id: string): Promise<void> =>
      repeatedly(() => client.abortMultipartUpload(bucket, prefix + name, encodeURIComponent(id))),

    close(): void {
      agent.destroy();
    },
  };
}

function requestWithTimeout(request: typeof http.request, timeoutMs: number): typeof http.request {
  const send = (options: http.RequestOptions, onAnswer: (answer: http.IncomingMessage) => void) => {
    let answer: http.IncomingMessage | undefined;
    const sent = request(options, (received) => {
      answer = received;
      // Frees the connection, which the client forgets to do.
      if (unread.has(received.statusCode ?? 0)) received.resume();
      onAnswer(received);
    });
    sent.setTimeout(timeoutMs, () => {
      // Bytes that wait to be pulled mean that our own reader is the slow one.
      if (answer && answer.readableLength > 0) return;
      sent.destroy(Object.assign(new Error(`no byte for ${timeoutMs} ms`), { code: 'ETIMEDOUT' }));
    });
    return sent;
  };
  return send as typeof http.request;
}
