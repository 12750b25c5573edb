/** Names of projects and of robots, 1 to 255 characters: what Harbor allows, and a path component of a repository. */
export const isName = (name: string): boolean =>
  name.length <= 255 && /^[a-z0-9]+(?:[._-][a-z0-9]+)*$/.test(name);
