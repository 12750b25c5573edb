import { z } from 'zod';

/** One path component of a repository name (distribution-spec, "Pulling manifests"). */
const component = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const pattern = new RegExp(`^${component}(?:/${component})*$`);

/**
 * A repository's full name, `<project>/<path>`, at most 255 characters: clients cap the host and the name
 * together at that, so nothing longer could be pulled.
 */
export const repositoryName = z
  .string()
  .max(255, 'a repository name has at most 255 characters')
  .regex(pattern, 'a repository name is lower-case letters and digits, joined by . _ __ - or /');

/** The project that a repository belongs to: all before the first slash. */
export const projectOf = (repository: string): string => {
  const slash = repository.indexOf('/');
  return slash === -1 ? repository : repository.slice(0, slash);
};

/** What stands after the project in the full name of a repository; empty where nothing does. */
export const withoutProject = (repository: string): string =>
  repository.slice(projectOf(repository).length + 1);

/** A tag (distribution-spec, "Pulling manifests"): up to 128 characters, no leading `.` or `-`. */
export const tagName = z
  .string()
  .regex(
    /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/,
    'a tag is up to 128 of letters, digits, _ . -, not starting with . or -',
  );
