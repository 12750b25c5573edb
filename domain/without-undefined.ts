type WithoutUndefined<Given> = {
  [Key in keyof Given as undefined extends Given[Key] ? never : Key]: Given[Key];
} & {
  [Key in keyof Given as undefined extends Given[Key] ? Key : never]?: Exclude<Given[Key], undefined>;
};

/** A copy that lacks what is undefined in `given`: JSON knows no such thing. */
export const withoutUndefined = <Given extends object>(given: Given): WithoutUndefined<Given> =>
  Object.fromEntries(
    Object.entries(given).filter(([, value]) => value !== undefined),
  ) as WithoutUndefined<Given>;
