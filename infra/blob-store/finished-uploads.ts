import { parseDigest } from '../../domain/digest.ts';
import { isUploadId } from './key.ts';
import type { BlobStore, FinishedUpload } from './port.ts';

export type FinishedMemory = Pick<BlobStore, 'rememberFinished' | 'findFinished' | 'forgetFinished'>;

/** What is remembered of finished uploads, one file or object each; beside the uploads, since it is none any more. */
export const finishedFolder = 'finished';

/** @throws TypeError for what is no id, which must not become part of a path. */
export function finishedName(id: string): string {
  if (!isUploadId(id)) throw new TypeError(`${id} is not a UUID in lower case`);
  return `${id}.json`;
}

/** The upload that `name` tells of; undefined for what Shiplog did not write. */
export function idOfFinished(name: string): string | undefined {
  const id = name.endsWith('.json') ? name.slice(0, -'.json'.length) : '';
  return isUploadId(id) ? id : undefined;
}

export const encodeFinished = (upload: FinishedUpload): Buffer => Buffer.from(JSON.stringify(upload));

/** Undefined for what a crash cut short: then nothing is remembered. */
export function decodeFinished(text: string): FinishedUpload | undefined {
  try {
    const { id, repository, projectId, startedBy, blob } = JSON.parse(text) as FinishedUpload;
    return parseDigest(blob.digest) && { id, repository, projectId, startedBy, blob };
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
