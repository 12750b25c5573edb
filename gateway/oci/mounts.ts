import type { FastifyRequest } from 'fastify';
import type { MountBlob } from '../../domain/blob/decider.ts';
import type { Digest } from '../../domain/digest.ts';
import type { Metadata } from '../../domain/event.ts';
import { repositoryName } from '../../domain/repository.ts';
import type { MayPull, Permitted } from './access.ts';

export interface MountPorts {
  readonly mayPull: MayPull;
  /** Resolves to the log's position, or to undefined where the repository to mount from does not hold the blob. */
  mountBlob(mount: MountBlob, metadata: Metadata): Promise<bigint | undefined>;
}

/**
 * distribution-spec, "Mounting a blob from another repository" (end-11). Resolves to undefined wherever there is nothing
 * to mount, and for each of the reasons alike: a client goes on with an upload then, and must not learn from the answer
 * what a repository holds that it may not read. Without `from` nothing is looked for, since that would have to ask about
 * every repository that holds the blob.
 */
export async function mount(
  { mayPull, mountBlob }: MountPorts,
  request: FastifyRequest,
  { repository, metadata }: Permitted,
  digest: Digest,
  source: unknown,
): Promise<bigint | undefined> {
  const from = repositoryName.safeParse(source);
  if (!from.success || !(await mayPull(request, from.data))) return undefined;
  return mountBlob({ digest, repository, from: from.data }, metadata);
}
