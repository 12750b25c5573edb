import type { FastifyRequest } from 'fastify';
import type { MountBlob } from '../../domain/blob/decider.ts';
import type { Digest } from '../../domain/digest.ts';
import type { Metadata } from '../../domain/event.ts';
import { projectOf, repositoryName } from '../../domain/repository.ts';
import type { MayPull, Permitted } from './access.ts';

/** Of how many repositories that hold a blob it is asked whether the caller may read them. */
const maxCandidates = 50;

export interface MountPorts {
  readonly mayPull: MayPull;
  /** Up to `limit` repositories that hold the blob. */
  findHolders(digest: Digest, limit: number): Promise<readonly string[]>;
  /** Resolves to the log's position, or to undefined where the repository to mount from does not hold the blob. */
  mountBlob(mount: MountBlob, metadata: Metadata): Promise<bigint | undefined>;
}

/**
 * distribution-spec, "Mounting a blob from another repository" (end-11). Resolves to undefined wherever there is nothing
 * to mount, and for each of the reasons alike: a client goes on with an upload then, and must not learn from the answer
 * what a repository holds that it may not read. Without `from` any repository will do that the caller may read.
 */
export async function mount(
  { mayPull, findHolders, mountBlob }: MountPorts,
  request: FastifyRequest,
  { repository, metadata }: Permitted,
  digest: Digest,
  source: unknown,
): Promise<bigint | undefined> {
  const from = source === undefined ? await anyReadable() : await named();
  return from === undefined ? undefined : mountBlob({ digest, repository, from }, metadata);

  async function named(): Promise<string | undefined> {
    const { data, success } = repositoryName.safeParse(source);
    return success && (await mayPull(request, data)) ? data : undefined;
  }

  /** One repository of a project stands for all: permissions are those of the project. */
  async function anyReadable(): Promise<string | undefined> {
    const holders = await findHolders(digest, maxCandidates);
    const byProject = new Map(holders.map((holder) => [projectOf(holder), holder]));
    for (const holder of byProject.values()) if (await mayPull(request, holder)) return holder;
    return undefined;
  }
}
