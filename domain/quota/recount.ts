import type { ArtifactEvent } from '../artifact/events.ts';
import type { BlobEvent } from '../blob/events.ts';
import type { DomainEvent } from '../event.ts';
import { projectOf } from '../repository.ts';

/** The bytes that a project holds, counted from what has happened alone and not from what any view says of it. */
export interface Recount {
  add(event: DomainEvent): void;
  /** Each blob and each manifest once, in however many repositories of the project it is. */
  readonly bytes: number;
  readonly objects: number;
}

export function recountOf(project: string): Recount {
  const sizes = new Map<string, number>();
  /** The repositories of the project that hold it, by its kind and digest. */
  const held = new Map<string, Set<string>>();

  function hold(kind: 'blob' | 'manifest', repository: string, digest: string, isHeld: boolean): void {
    if (projectOf(repository) !== project) return;
    const name = `${kind} ${digest}`;
    const holders = held.get(name) ?? new Set();
    if (isHeld) holders.add(repository);
    else holders.delete(repository);
    if (holders.size > 0) held.set(name, holders);
    else held.delete(name);
  }

  return {
    add(given) {
      const event = given as BlobEvent | ArtifactEvent;
      switch (event.type) {
        case 'BlobStored':
          sizes.set(`blob ${event.data.digest}`, event.data.size);
          break;
        case 'BlobLinked':
        case 'BlobUnlinked':
          hold('blob', event.data.repository, event.data.digest, event.type === 'BlobLinked');
          break;
        case 'ManifestPushed':
        case 'ManifestDeleted':
          sizes.set(`manifest ${event.data.digest}`, event.data.size);
          hold('manifest', event.data.repository, event.data.digest, event.type === 'ManifestPushed');
      }
    },
    get bytes() {
      return [...held.keys()].reduce((sum, name) => sum + (sizes.get(name) ?? 0), 0);
    },
    get objects() {
      return held.size;
    },
  };
}
