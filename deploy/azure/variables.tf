variable "resource_group_name" {
  type        = string
  description = "Resource group, which is made."
}

variable "location" {
  type        = string
  description = "Region of everything."
}

variable "key_vault_name" {
  type        = string
  description = "Name of the key vault for the credentials, of which there is only one in the world."
}

variable "ssh_public_key_path" {
  type        = string
  description = "File with the public key that the machine's administrator has; Azure wants one."
}

variable "image" {
  type        = string
  description = "Image to run. None of ours is published; docs/deployment/azure.md says how to build and push one."
}

variable "auth_token" {
  type        = string
  sensitive   = true
  ephemeral   = true
  description = "What clients send as \"Authorization: Bearer\" or X-Chroma-Token: at least 16 printable characters."
  validation {
    condition     = can(regex("^[!-~]{16,}$", var.auth_token))
    error_message = "At least 16 printable characters without spaces; \"openssl rand -hex 32\" makes a token."
  }
}

variable "allowed_cidrs" {
  type        = list(string)
  description = "Addresses that reach port 8000. Without TLS in front nobody else should."
  validation {
    condition     = length(var.allowed_cidrs) > 0 && !contains(var.allowed_cidrs, "0.0.0.0/0")
    error_message = "Name the networks that may connect; 0.0.0.0/0 is everybody."
  }
}

variable "ssh_cidrs" {
  type        = list(string)
  default     = []
  description = "Addresses that reach SSH."
}

variable "instance_name" {
  type        = string
  default     = "chroma-instance"
  description = "Name of the machine, and the beginning of all other names."
}

variable "machine_type" {
  type        = string
  default     = "Standard_B1s"
  description = "About 0.245 million vectors of 1,024 numbers fit into a GiB of memory."
}

variable "disk_size_gb" {
  type        = number
  default     = 24
  description = "Size of the data disk."
}

variable "disk_type" {
  type        = string
  default     = "StandardSSD_LRS"
  description = "Kind of the data disk."
}

variable "chroma_server_auth_credentials" {
  type        = string
  default     = ""
  sensitive   = true
  ephemeral   = true
  description = "In place of auth_token: lines of htpasswd, or Chroma's YAML of users."
}

variable "chroma_server_auth_provider" {
  type        = string
  default     = ""
  description = "What the credentials are, as Chroma names it; empty for tokens."
}

variable "chroma_auth_token_transport_header" {
  type        = string
  default     = ""
  description = "The only header in which a token is taken, Authorization or X-Chroma-Token; empty for either."
}

variable "chroma_otel_collection_endpoint" {
  type        = string
  default     = ""
  description = "Address of an OTLP collector; empty for no traces."
}

variable "chroma_otel_service_name" {
  type        = string
  default     = "chroma-async"
  description = "Name of this server in traces."
}

variable "chroma_otel_collection_headers" {
  type        = string
  default     = "{}"
  description = "Headers for the collector, as JSON."
}

variable "chroma_otel_granularity" {
  type        = string
  default     = ""
  description = "How much is traced: none, operation, operation_and_segment or all; empty for the server's default."
}

variable "credentials_version" {
  type        = number
  default     = 1
  description = "To be raised when auth_token or chroma_server_auth_credentials changes: Terraform keeps neither, and cannot see it."
}
