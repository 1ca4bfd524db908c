/** `with { type: "file" }` gives the path of the module. */
declare module "*.wasm" {
  const path: string;
  export default path;
}
