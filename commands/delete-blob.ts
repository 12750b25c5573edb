import type { BlobAt } from '../domain/blob/decider.ts';
import type { Metadata } from '../domain/event.ts';
import { Refusal } from '../domain/refusal.ts';
import { type RemovalPorts, removal } from './remove-unneeded.ts';

/**
 * Takes a blob out of a repository; its bytes go with the last repository that holds it. Resolves to whether the
 * repository held it. @throws Refusal `blob-referenced`
 */
export const deleteBlob = ({
  newCondemnation,
  ...ports
}: RemovalPorts & { readonly newCondemnation: () => string }) => {
  const { removeBlob } = removal(ports);
  return async (at: BlobAt, metadata: Metadata): Promise<boolean> => {
    const settled = await removeBlob({ ...at, condemnation: newCondemnation() }, metadata);
    if (settled === undefined) return false;
    if (settled.outcome === 'kept') throw new Refusal({ kind: 'blob-referenced', digest: at.digest });
    return true;
  };
};
