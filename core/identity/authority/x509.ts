// The library's containers are built from metadata on its classes: it must be there before they are.
import "reflect-metadata";

export * as x509 from "@peculiar/x509";
