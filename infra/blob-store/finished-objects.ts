import {
  decodeFinished,
  encodeFinished,
  type FinishedMemory,
  finishedFolder,
  finishedName,
  idOfFinished,
} from './finished-uploads.ts';
import { isUploadId } from './key.ts';
import type { S3Objects } from './s3-objects.ts';
import { ifFound } from './s3-uploads.ts';

/** The memory of finished uploads in a bucket. */
export const finishedObjects = (objects: S3Objects): FinishedMemory => ({
  rememberFinished: async (upload) =>
    objects.put(`${finishedFolder}/${finishedName(upload.id)}`, encodeFinished(upload)),

  async findFinished(id) {
    if (!isUploadId(id)) return undefined;
    const bytes = await ifFound(objects.get(`${finishedFolder}/${finishedName(id)}`));
    return bytes && decodeFinished(bytes.toString());
  },

  async forgetFinished(time) {
    let forgotten = 0;
    for await (const { name, lastModified } of objects.list(`${finishedFolder}/`)) {
      if (idOfFinished(name.slice(finishedFolder.length + 1)) === undefined || lastModified >= time) continue;
      await objects.remove(name);
      forgotten += 1;
    }
    return forgotten;
  },
});
