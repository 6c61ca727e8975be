/**
 * Told plans how many values columns have. 0034 takes it back, so those who begin now are not told (see
 * index.ts).
 */
export async function countsForPlans(): Promise<void> {}
