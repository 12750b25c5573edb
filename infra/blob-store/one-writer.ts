import { UploadBusy } from './port.ts';

export type OneWriter = <Result>(id: string, work: () => Promise<Result>) => Promise<Result>;

/** Runs `work` unless this process is already at work on the upload `id`. @throws UploadBusy */
export function oneWriter(): OneWriter {
  const writing = new Set<string>();
  return async (id, work) => {
    if (writing.has(id)) throw new UploadBusy(`the upload ${id} is being written to`);
    writing.add(id);
    try {
      return await work();
    } finally {
      writing.delete(id);
    }
  };
}
