import { z } from 'zod';
import { flag, notUsed, path, secret, section, text, whole } from '../fields.ts';

/** Storing elsewhere than the operator said would lose data to him, so these are refused and not just not used. */
const refused = (product: string) =>
  z
    .never({ error: 'filesystem or s3, the blob stores that Shiplog has' })
    .optional()
    .meta({ description: `Refused: Shiplog does not store in ${product}.`, 'x-refused': true });

const s3NotUsed = {
  accelerate: notUsed('Transfer acceleration is a property of `regionendpoint`.'),
  encrypt: notUsed('Encryption is set on the bucket.'),
  keyid: notUsed('Encryption is set on the bucket.'),
  storageclass: notUsed('The storage class is set on the bucket.'),
  objectacl: notUsed('Access is set on the bucket.'),
  skipverify: notUsed('Certificates are always verified; see `storage_service.ca_bundle`.'),
  v4auth: notUsed('Requests are always signed with version 4.'),
  usedualstack: notUsed('Give the dual-stack endpoint as `regionendpoint`.'),
  useragent: notUsed('The S3 client names itself.'),
  loglevel: notUsed('See `log.level`.'),
  logs3apirequests: notUsed('See `log.level`.'),
  logs3apiresponseheaders: notUsed('See `log.level`.'),
  multipartcopychunksize: notUsed('Parts have the size `chunksize`.'),
  multipartcopymaxconcurrency: notUsed('Blobs are not copied within the store.'),
  multipartcopythresholdsize: notUsed('Blobs are not copied within the store.'),
};

export const storage = {
  storage_service: section(
    'Where the bytes of blobs are kept: `filesystem`, which is the default, or `s3`.',
    {
      filesystem: section('Blobs as files.', {
        rootdirectory: path('The directory of the blobs. Default: a folder of its own in `data`.').optional(),
        maxthreads: notUsed(
          'The number of parallel file operations is that of Node.js (`UV_THREADPOOL_SIZE`).',
        ),
      }).optional(),
      s3: section('Blobs in a bucket of Amazon S3 or a compatible store.', {
        bucket: text('The bucket; required for S3.'),
        region: text('The region of the bucket.').default('us-east-1'),
        regionendpoint: text(
          'The endpoint, a URL or `host:port`, of a store that is not Amazon’s.',
          'a URL or host:port, without user and password',
        )
          .regex(/^(https?:\/\/)?[^\s/@?#]+\/?$/i, { error: 'a URL or host:port, without user and password' })
          .optional(),
        secure: flag('Whether to use HTTPS when `regionendpoint` does not say.').default(true),
        forcepathstyle: flag(
          'Whether the bucket is part of the path and not of the host name; Amazon’s endpoints always have it there.',
        ).default(true),
        accesskey: secret('The access key.').optional(),
        secretkey: secret('The secret of `accesskey`.').optional(),
        sessiontoken: secret('The session token of temporary credentials.').optional(),
        rootdirectory: text('A prefix for all keys in the bucket.').optional(),
        chunksize: whole(
          'The size of the parts of a multipart upload, in bytes: 5 MiB to 5 GiB.',
          5 * 1024 * 1024,
          5 * 1024 * 1024 * 1024,
        ).default(10 * 1024 * 1024),
        ...s3NotUsed,
      }).optional(),
      redirect: section('Pulls of blobs straight from the bucket, by signed URLs.', {
        disable: flag(
          'Whether pulls stream through Shiplog. With `false` clients must reach `s3.regionendpoint` themselves, and answers to them lack `Docker-Content-Digest`; it does nothing for `filesystem`.',
        ).default(true),
        disabled: notUsed('An old name of `disable`.'),
      }).prefault({}),
      ca_bundle: path(
        'Authorities that sign the certificate of `s3`, a PEM file, besides those of the system.',
      ).optional(),
      azure: refused('Azure Blob Storage'),
      gcs: refused('Google Cloud Storage; its S3-compatible endpoint works with `s3`'),
      swift: refused('OpenStack Swift'),
      oss: refused('Alibaba OSS; its S3-compatible endpoint works with `s3`'),
    },
  ).prefault({}),
} satisfies z.core.$ZodShape;
