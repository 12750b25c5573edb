/** What is shown in the place of the name of a user who was erased. Nobody else can be called so. */
export const pseudonymOf = (userId: number): string => `erased-${userId}`;

/** The number of the erased user whom `name` stands for; undefined for any other name. */
export function userOfPseudonym(name: string): number | undefined {
  const [, digits] = /^erased-([1-9]\d{0,8})$/.exec(name) ?? [];
  return digits === undefined ? undefined : Number(digits);
}

/** Whether `name` looks like the pseudonym of somebody, to a human eye. */
export const looksLikePseudonym = (name: string): boolean =>
  /^\s*erased-\d+\s*$/iu.test(name.normalize('NFKC'));
