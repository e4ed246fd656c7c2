export const accounted: Readonly<Record<string, readonly string[]>> = {}
