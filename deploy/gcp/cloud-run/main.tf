# Cloud Run, for trials: one instance, which is never more than one on purpose. What it cannot do is in docs/deployment/gcp.md.

terraform {
  required_version = ">= 1.11"
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 8.0"
    }
  }
}

provider "google" {
  project = var.project_id
  region  = var.region
}

variable "project_id" {
  type        = string
  description = "Project in which everything is made."
}

variable "region" {
  type        = string
  description = "Region of the service."
}

variable "image" {
  type        = string
  description = "Image to run, in Artifact Registry."
}

variable "auth_token" {
  type        = string
  sensitive   = true
  ephemeral   = true
  description = "What clients send as X-Chroma-Token; Authorization is taken by Cloud Run itself where invokers are asked for."
  validation {
    condition     = can(regex("^[!-~]{16,}$", var.auth_token))
    error_message = "At least 16 printable characters without spaces; \"openssl rand -hex 32\" makes a token."
  }
}

variable "credentials_version" {
  type        = number
  default     = 1
  description = "To be raised when auth_token changes: Terraform does not keep it, and cannot see it."
}

variable "service_name" {
  type        = string
  default     = "chroma"
  description = "Name of the service."
}

variable "memory" {
  type        = string
  default     = "2Gi"
  description = "Memory of the instance; without nfs_server the data is in it too."
}

variable "nfs_server" {
  type        = string
  default     = ""
  description = "Address of a Filestore for the data; empty keeps data in memory, until the instance ends."
}

variable "nfs_path" {
  type        = string
  default     = "/chroma"
  description = "Directory that the Filestore exports; it belongs to user 65532."
}

variable "invokers" {
  type        = list(string)
  default     = []
  description = "Who may call the service, such as serviceAccount:…; the token is asked for as well."
}

resource "google_service_account" "server" {
  account_id   = "${var.service_name}-run"
  display_name = "chroma-async on Cloud Run"
}

resource "google_secret_manager_secret" "credentials" {
  secret_id = "${var.service_name}-run-credentials"
  replication {
    auto {}
  }
}

resource "google_secret_manager_secret_version" "credentials" {
  secret                 = google_secret_manager_secret.credentials.id
  secret_data_wo         = var.auth_token
  secret_data_wo_version = var.credentials_version
}

resource "google_secret_manager_secret_iam_member" "server" {
  secret_id = google_secret_manager_secret.credentials.id
  role      = "roles/secretmanager.secretAccessor"
  member    = "serviceAccount:${google_service_account.server.email}"
}

resource "google_cloud_run_v2_service" "server" {
  name                = var.service_name
  location            = var.region
  ingress             = "INGRESS_TRAFFIC_INTERNAL_ONLY"
  deletion_protection = true

  template {
    service_account                  = google_service_account.server.email
    execution_environment            = "EXECUTION_ENVIRONMENT_GEN2"
    timeout                          = "3600s"
    max_instance_request_concurrency = 250

    # A data directory has one owner.
    scaling {
      min_instance_count = 1
      max_instance_count = 1
    }

    containers {
      image = var.image
      ports {
        container_port = 8000
      }
      resources {
        limits = {
          cpu    = "2"
          memory = var.memory
        }
        # Flushing and indexing go on between requests.
        cpu_idle = false
      }
      # Cloud Run takes bodies up to 32 MiB.
      env {
        name  = "CHROMA_ASYNC_MAX_BODY_BYTES"
        value = "33554432"
      }
      env {
        name  = "CHROMA_SERVER_AUTHN_CREDENTIALS_FILE"
        value = "/run/secrets/chroma/token"
      }
      startup_probe {
        period_seconds    = 2
        failure_threshold = 60
        http_get {
          path = "/readyz"
          port = 8000
        }
      }
      liveness_probe {
        http_get {
          path = "/livez"
          port = 8000
        }
      }
      volume_mounts {
        name       = "credentials"
        mount_path = "/run/secrets/chroma"
      }
      volume_mounts {
        name       = "data"
        mount_path = "/data"
      }
    }

    volumes {
      name = "credentials"
      secret {
        secret = google_secret_manager_secret.credentials.secret_id
        items {
          path    = "token"
          version = "latest"
        }
      }
    }

    volumes {
      name = "data"
      dynamic "nfs" {
        for_each = var.nfs_server == "" ? [] : [var.nfs_server]
        content {
          server = nfs.value
          path   = var.nfs_path
        }
      }
      dynamic "empty_dir" {
        for_each = var.nfs_server == "" ? [1] : []
        content {
          medium = "MEMORY"
        }
      }
    }
  }

  depends_on = [google_secret_manager_secret_version.credentials, google_secret_manager_secret_iam_member.server]
}

resource "google_cloud_run_v2_service_iam_member" "invokers" {
  for_each = toset(var.invokers)
  name     = google_cloud_run_v2_service.server.name
  location = var.region
  role     = "roles/run.invoker"
  member   = each.value
}

output "url" {
  description = "What clients connect to, by TLS."
  value       = google_cloud_run_v2_service.server.uri
}
